/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "definition/samples.h"

enum { PAIRS_MAX = 4 };

static struct fault fault;
static char *outs[PAIRS_MAX], *ins[PAIRS_MAX];
static int count, limit;

static int keep(void *context, const char *out, const char *in)
{
	(void)context;
	if (count == limit)
		return -EPIPE;
	outs[count] = strdup(out);
	ins[count++] = strdup(in);
	return 0;
}

static int exchange(const char *name, const char *network)
{
	for (int i = 0; i < PAIRS_MAX; i++) {
		free(give(outs[i]));
		free(give(ins[i]));
	}
	count = 0;
	return definition_interfaces(sample(name), network, keep, NULL, &fault);
}

static void read_mac(const char *xml, char mac[18])
{
	const char *at = strstr(xml, "address=\"") + strlen("address=\"");

	snprintf(mac, 18, "%s", at);
}

START_TEST(each_one_is_taken_out_as_it_is_in_the_changed_domain)
{
	limit = PAIRS_MAX;
	ck_assert_int_eq(exchange("web", NULL), 0);
	ck_assert_int_eq(count, 4);
	HAS(outs[0], "self::*[@type='ethernet' and mac/@address='52:54:00:12:34:56' and "
		     "address/@bus='0x02' and not(source)]");
	HAS(outs[3], "self::*[@type='ethernet' and mac/@address='52:54:00:12:34:59']");
}
END_TEST

START_TEST(each_gets_an_address_of_its_own)
{
	char macs[2 * PAIRS_MAX][18];

	limit = PAIRS_MAX;
	ck_assert_int_eq(exchange("web", NULL), 0);
	for (int i = 0; i < PAIRS_MAX; i++) {
		read_mac(outs[i], macs[i]);
		read_mac(ins[i], macs[PAIRS_MAX + i]);
		ck_assert(!strncmp(macs[PAIRS_MAX + i], "52:54:00:", 9));
	}
	for (int i = 0; i < 2 * PAIRS_MAX; i++)
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(macs[i], macs[j]);
}
END_TEST

START_TEST(is_connected_like_the_others)
{
	limit = PAIRS_MAX;
	ck_assert_int_eq(exchange("web", NULL), 0);
	HAS(ins[0], "self::*[@type='bridge' and source/@bridge='br9' and mtu/@size='1400' and "
		    "driver/@queues='2' and address/@bus='0x02']");
	HAS(ins[1], "self::*[source/@bridge='br9' and not(target)]");
	HAS(ins[3], "self::*[@type='user']");
	ck_assert_int_eq(exchange("rbd", NULL), 0);
	HAS(ins[0], "self::*[source[@network='default' and @portgroup='web' and not(@portid)] and "
		    "vlan and bandwidth and filterref and not(target) and not(alias)]");
	HAS(ins[1], "self::*[@trustGuestRxFilters]/virtualport/parameters[@profileid='p' and "
		    "not(@interfaceid)]");
}
END_TEST

START_TEST(is_connected_to_a_network)
{
	limit = PAIRS_MAX;
	ck_assert_int_eq(exchange("web", "test & try"), 0);
	HAS(ins[0], "self::*[@type='network' and source[@network='test & try' and not(@bridge)] "
		    "and model and address]");
	ck_assert_int_eq(exchange("rbd", "lab"), 0);
	HAS(ins[0], "self::*[source/@network='lab' and not(vlan) and not(source/@portgroup)]");
	HAS(ins[1], "self::*[source/@network='lab' and not(virtualport)]");
}
END_TEST

START_TEST(ends_where_one_fails)
{
	limit = 2;
	ck_assert_int_eq(exchange("web", NULL), -EPIPE);
	ck_assert_int_eq(count, 2);
	limit = PAIRS_MAX;
	ck_assert_int_eq(exchange("entities", NULL), -EBADMSG);
	ck_assert_int_eq(exchange("plain", NULL), 0);
	ck_assert_int_eq(count, 1);
}
END_TEST

UNIT_MAIN("interfaces", each_one_is_taken_out_as_it_is_in_the_changed_domain,
	  each_gets_an_address_of_its_own, is_connected_like_the_others, is_connected_to_a_network,
	  ends_where_one_fails)

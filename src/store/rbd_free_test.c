/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "rbd.h"
#include "unit.h"

#define DF(all, stats)                                                               \
	"{\"stats\": {\"total_bytes\": " all "}, \"pools\": [{\"name\": \"other\", " \
	"\"stats\": {\"max_avail\": 7}}, {\"name\": \"rbd\", \"stats\": " stats "}]}"

START_TEST(says_what_the_pool_can_take)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(rbd_free_parse(DF("100", "{\"stored\": 9, \"max_avail\": 40, "
						  "\"quota_bytes\": 0}"),
					"rbd", &bytes),
			 0);
	ck_assert_uint_eq(bytes, 40);
}
END_TEST

START_TEST(says_what_is_left_of_the_quota)
{
	uint64_t bytes = 0;

	ck_assert_int_eq(rbd_free_parse(DF("100", "{\"stored\": 9, \"max_avail\": 40, "
						  "\"quota_bytes\": 30}"),
					"rbd", &bytes),
			 0);
	ck_assert_uint_eq(bytes, 21);
	ck_assert_int_eq(rbd_free_parse(DF("100", "{\"stored\": 9, \"max_avail\": 40, "
						  "\"quota_bytes\": 90}"),
					"rbd", &bytes),
			 0);
	ck_assert_uint_eq(bytes, 40);
	ck_assert_int_eq(rbd_free_parse(DF("100", "{\"stored\": 9, \"max_avail\": 40, "
						  "\"quota_bytes\": 8}"),
					"rbd", &bytes),
			 0);
	ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(says_when_the_cluster_does_not_know)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{\"pools\": 7}",
		"{\"pools\": [[]]}",
		"{\"stats\": {\"total_bytes\": 100}, \"pools\": []}",
		DF("0", "{\"stored\": 0, \"max_avail\": 0}"),
	};
	uint64_t bytes = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_int_eq(rbd_free_parse(texts[i], "rbd", &bytes), -ENODATA);
	ck_assert_int_eq(rbd_free_parse(DF("100", "{}"), "elsewhere", &bytes), -ENODATA);
}
END_TEST

UNIT_MAIN("rbd_free", says_what_the_pool_can_take, says_what_is_left_of_the_quota,
	  says_when_the_cluster_does_not_know)

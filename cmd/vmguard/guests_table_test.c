/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guests_table.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static char *text;

static void show(const char *json, bool colours)
{
	struct json_object *list = json_tokener_parse(json);
	size_t bytes;

	free(text);
	ck_assert_ptr_nonnull(list);
	FILE *out = open_memstream(&text, &bytes);
	guests_table_print(out, list, colours);
	fclose(out);
	json_object_put(list);
}

#define WEB                                                                               \
	"{\"name\":\"web1\",\"state\":\"watching\",\"interval_ms\":10000,\"late\":false," \
	"\"age_ms\":3200,\"checkpoint\":{\"number\":7,\"pause_ms\":12.34,"                \
	"\"memory_bytes\":4294967296,\"bytes_written\":10485760}}"
#define DOWN                                                                              \
	"{\"name\":\"a-guest-of-a-name-that-is-much-too-long\",\"state\":\"down\","       \
	"\"interval_ms\":3600000,\"late\":false,\"why\":\"its policy says that a person " \
	"restarts it\"}"

START_TEST(a_guest_is_a_line)
{
	show("{\"guests\":[" WEB "]}", false);
	ck_assert_str_eq(text, "GUEST  STATE       CHECKPOINT   PAUSE     MEMORY     RATE\n"
			       "web1   watching    3s / 10s     12.3 ms   4.0 GiB    1.0 MiB/s\n");
}
END_TEST

START_TEST(it_fits_a_terminal)
{
	show("{\"guests\":[" WEB "," DOWN "]}", false);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		ck_assert_uint_le(strlen(line), 80);
}
END_TEST

START_TEST(who_needs_help_has_a_reason)
{
	show("{\"guests\":[" DOWN "]}", false);
	ck_assert_ptr_nonnull(strstr(text, "-that-is-much-too-long  down"));
	ck_assert_ptr_nonnull(strstr(text, "none / 1h"));
	ck_assert_ptr_nonnull(strstr(text, "\n  its policy says that a person restarts it\n"));
}
END_TEST

START_TEST(colours_are_for_terminals)
{
	show("{\"guests\":[" WEB "," DOWN "]}", true);
	ck_assert_ptr_nonnull(strstr(text, "\033[32mwatching  \033[0m"));
	ck_assert_ptr_nonnull(strstr(text, "\033[31mdown      \033[0m"));
}
END_TEST

START_TEST(nothing_says_what_to_do)
{
	show("{\"guests\":[]}", false);
	ck_assert_ptr_nonnull(strstr(text, "vmguard protect NAME"));
}
END_TEST

UNIT_MAIN("guests_table", a_guest_is_a_line, it_fits_a_terminal, who_needs_help_has_a_reason,
	  colours_are_for_terminals, nothing_says_what_to_do)

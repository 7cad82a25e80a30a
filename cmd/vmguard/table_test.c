/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people see of a finding, whatever is in it, fits into 80 columns and lacks no word. */
#include "table.h"

#include <string.h>

#include "unit.h"

static char *print(const struct preflight_finding *finding)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	ck_assert_ptr_nonnull(out);
	table_print(out, finding);
	fclose(out);
	return text;
}

static void must_fit(const char *text)
{
	while (*text) {
		size_t length = strcspn(text, "\n");

		ck_assert_uint_le(length, TABLE_COLUMNS);
		ck_assert_msg(length == 0 || text[length - 1] != ' ', "%s", text);
		ck_assert_int_eq(text[length], '\n');
		text += length + 1;
	}
}

START_TEST(prints_columns)
{
	struct preflight_finding finding = {
		PREFLIGHT_BLOCKER, "disk vdb",
		"other guests may write to it too (shareable): going back to a checkpoint would "
		"take it back",
		"give the guest a disk of its own"};
	char *text = print(&finding);

	ck_assert_str_eq(
		text,
		"blocker  disk vdb        other guests may write to it too (shareable): going\n"
		"                         back to a checkpoint would take it back\n"
		"                         -> give the guest a disk of its own\n");
	free(text);
}
END_TEST

START_TEST(needs_no_remedy)
{
	struct preflight_finding finding = {PREFLIGHT_OK, "QEMU", "it is 7.2.22", ""};
	char *text = print(&finding);

	ck_assert_str_eq(text, "ok       QEMU            it is 7.2.22\n");
	free(text);
}
END_TEST

START_TEST(puts_a_long_name_into_a_line_of_its_own)
{
	struct preflight_finding finding = {PREFLIGHT_RISK, "the backing file of disk vda", "it is",
					    ""};
	char *text = print(&finding);

	ck_assert_str_eq(text, "risk     the backing file of disk vda\n"
			       "                         it is\n");
	free(text);
}
END_TEST

START_TEST(breaks_words_that_fit_nowhere)
{
	struct preflight_finding finding = {.severity = PREFLIGHT_RISK};

	memset(finding.what, 'w', sizeof(finding.what) - 1);
	memset(finding.why, 'y', sizeof(finding.why) - 1);
	memset(finding.remedy, 'r', sizeof(finding.remedy) - 1);
	finding.why[100] = finding.why[200] = ' ';
	char *text = print(&finding);
	size_t letters = 0;

	must_fit(text);
	for (const char *at = text; *at; at++)
		letters += *at == 'y' || *at == 'r' || *at == 'w';
	/* "risk" has an r too */
	ck_assert_uint_eq(letters, sizeof(finding.what) + sizeof(finding.why) +
					   sizeof(finding.remedy) - 3 - 2 + 1);
	free(text);
}
END_TEST

UNIT_MAIN("table", prints_columns, needs_no_remedy, puts_a_long_name_into_a_line_of_its_own,
	  breaks_words_that_fit_nowhere)

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *	blocker  disk vdb       other guests may write to it too (shareable): going back to a
 *	                        checkpoint would take it back under their hands
 *	                        -> give the guest a disk of its own
 */
#include "table.h"

#include <stdbool.h>
#include <string.h>

enum {
	SEVERITY_COLUMNS = 9,
	WHAT_COLUMNS = 16,
	TEXT_AT = SEVERITY_COLUMNS + WHAT_COLUMNS,
	TEXT_COLUMNS = TABLE_COLUMNS - TEXT_AT,
};

/* How much of the text goes into one line: whole words, or a piece of one that is too long. */
static size_t line_length(const char *text)
{
	size_t length = strlen(text);

	if (length <= TEXT_COLUMNS)
		return length;
	for (length = TEXT_COLUMNS; length && text[length] != ' '; length--)
		;
	return length ? length : TEXT_COLUMNS;
}

static void print_text(FILE *out, const char *text, bool begins_line)
{
	while (*text) {
		size_t length = line_length(text);

		fprintf(out, "%*s%.*s\n", begins_line ? TEXT_AT : 0, "", (int)length, text);
		begins_line = true;
		text += length;
		text += strspn(text, " ");
	}
}

void table_print(FILE *out, const struct preflight_finding *finding)
{
	char remedy[sizeof(finding->remedy) + 4];
	bool fits = strlen(finding->what) < WHAT_COLUMNS;

	fprintf(out, "%-*s%-*s", SEVERITY_COLUMNS, preflight_severity_name(finding->severity),
		fits ? WHAT_COLUMNS : 0, finding->what);
	if (!fits)
		fputc('\n', out);
	print_text(out, finding->why, !fits);
	snprintf(remedy, sizeof(remedy), "-> %s", finding->remedy);
	if (finding->remedy[0])
		print_text(out, remedy, true);
}

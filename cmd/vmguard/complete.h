/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmguard complete WORD…: for the shells, see completion/. The words are those of the command line
 * behind "vmguard", up to the cursor; it prints what the last of them could become, a line each:
 *
 *	web@3<TAB>2026-11-22 17:23:05    a whole word, and maybe a tab and what it is
 *	:files 9                         instead: names of files; they begin at this character of it
 *	:commands 0                      the same, of commands
 *
 * A word that ends in "@", "=" or ":" is to be gone on with. It changes nothing, and gives up soon
 * where somebody does not answer; what goes wrong is on standard error, which shells throw away.
 */
#pragma once

struct verb;

#define COMPLETE_WORD "complete"

/* `verbs` ends with NULL. Gives an exit_code. */
int complete_main(const struct verb *const *verbs, int count, char **words);

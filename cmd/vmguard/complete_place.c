/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "complete_place.h"

#include <string.h>

#include "vmguard/policy.h"

/* ---- tables --------------------------------------------------------------------------------- */

struct value {
	const char *name;
	enum complete_kind kind;
	const char *choices;
};

static const struct value option_values[] = {
	{"qmp", COMPLETE_FILES},
	{"key-file", COMPLETE_FILES},
	{"socket", COMPLETE_FILES},
	{"cert", COMPLETE_FILES},
	{"cert-key", COMPLETE_FILES},
	{"ca", COMPLETE_FILES},
	{"store", COMPLETE_STORES},
	{"domain", COMPLETE_DOMAINS},
	{"name", COMPLETE_STORED},
	{"guest", COMPLETE_GUESTS},
	{"protect", COMPLETE_CHECKPOINTS},
	{"unprotect", COMPLETE_CHECKPOINTS},
	{"release", COMPLETE_CHECKPOINTS},
	{"connect", COMPLETE_WORDS, "qemu:///system qemu:///session"},
	{"mode", COMPLETE_WORDS, "lazy full"},
	{"disks", COMPLETE_WORDS, "rollback clone keep"},
	{"network", COMPLETE_WORDS, "none same"},
	{"set", COMPLETE_SETTINGS},
	{NULL},
};

/* Of a policy, where they differ from an option. */
static const struct value setting_values[] = {
	{"on-failure", COMPLETE_WORDS, "resume reboot manual"},
	{"clock", COMPLETE_WORDS, "set keep"},
	{"network", COMPLETE_WORDS, "announce keep"},
	{"without-disks", COMPLETE_WORDS, "yes no"},
	{NULL},
};

enum { OPERANDS_MAX = 2 };

static const struct operands {
	const char *verb;
	enum complete_kind kinds[OPERANDS_MAX];
} operands[] = {
	{"snapshots", {COMPLETE_STORED}},
	{"info", {COMPLETE_TARGETS}},
	{"diff", {COMPLETE_CHECKPOINTS, COMPLETE_CHECKPOINTS}},
	{"verify", {COMPLETE_TARGETS}},
	{"prune", {COMPLETE_STORED}},
	{"restore", {COMPLETE_TARGETS}},
	{"clone", {COMPLETE_TARGETS}},
	{"drill", {COMPLETE_TARGETS}},
	{"export", {COMPLETE_TARGETS, COMPLETE_FILES}},
	{"delete", {COMPLETE_TARGETS}},
	{"status", {COMPLETE_GUESTS}},
	{"protect", {COMPLETE_DOMAINS}},
	{"unprotect", {COMPLETE_GUESTS}},
	{"policy", {COMPLETE_GUESTS}},
	{"capture", {COMPLETE_GUESTS}},
	{"resume", {COMPLETE_GUESTS}},
	{"cancel", {COMPLETE_OPERATIONS}},
	{NULL},
};

/* ---- options -------------------------------------------------------------------------------- */

bool complete_takes_settings(const struct verb *verb)
{
	return strstr(verb->help, "--KEY VALUE");
}

static size_t option_length(const char *text)
{
	return strncmp(text, "--", 2) ? 0 : strspn(text + 2, "abcdefghijklmnopqrstuvwxyz-");
}

/* Behind an option: "FILE --ca …", "N, --keep-daily …", or what it is for. */
static const char *skip_value(const char *at)
{
	if (at[0] == ' ' && at[1] != ' ')
		at += 1 + strcspn(at + 1, " ,\n");
	return at + strspn(at, ", ");
}

/* Only lines that begin with options tell about them; in others they are merely mentioned. */
const char *complete_option(const char **help, size_t *length)
{
	for (const char *at = *help; at; at = strchr(at, '\n'), at += !!at) {
		if (!strncmp(at, "  --", 4))
			at += 2;
		*length = option_length(at);
		if (!*length)
			continue;
		*help = skip_value(at + 2 + *length);
		return at + 2;
	}
	return NULL;
}

bool complete_is_setting(const char *name)
{
	char text[POLICY_VALUE_BYTES];
	struct policy p;

	policy_init(&p);
	return policy_text(&p, name, text);
}

/* Whether the word behind an option belongs to it. */
static bool takes_next(const struct verb *verb, const char *name)
{
	if (complete_takes_settings(verb) && (!strcmp(name, "set") || complete_is_setting(name)))
		return true;
	return arguments_takes_value(name);
}

/* ---- the place ------------------------------------------------------------------------------ */

static const struct value *find_value(const struct value *values, const char *name, size_t length)
{
	for (; values->name; values++)
		if (strlen(values->name) == length && !strncmp(values->name, name, length))
			return values;
	return NULL;
}

/* The value of an option or setting begins at p->begun. */
static void place_in_value(struct complete_place *p, const char *name, size_t length)
{
	const struct value *v = NULL;
	const char *key = p->begun;

	if (complete_takes_settings(p->verb))
		v = find_value(setting_values, name, length);
	if (!v)
		v = find_value(option_values, name, length);
	if (!v)
		return;
	p->kind = v->kind;
	p->choices = v->choices;
	if (p->kind == COMPLETE_STORES && !strncmp(p->begun, "dir:", 4)) {
		p->kind = COMPLETE_FILES;
		p->begun += 4;
	} else if (p->kind == COMPLETE_SETTINGS && strchr(key, '=')) {
		p->kind = COMPLETE_NOTHING;
		p->begun = strchr(key, '=') + 1;
		place_in_value(p, key, strcspn(key, "="));
	}
}

static void place_operand(struct complete_place *p, int before)
{
	for (const struct operands *o = operands; o->verb; o++)
		if (!strcmp(o->verb, p->verb->name) && before < OPERANDS_MAX)
			p->kind = o->kinds[before];
}

/* Behind "--", so many words before: only a restore has a command there. */
static void place_behind(struct complete_place *p, int before)
{
	if (!strstr(p->verb->help, "  -- "))
		return;
	p->kind = before ? COMPLETE_FILES : COMPLETE_COMMANDS;
}

static void place_last(struct complete_place *p, int operands_before)
{
	const char *last = p->begun, *value = strchr(last, '=');

	if (*last != '-')
		place_operand(p, operands_before);
	else if (!value)
		p->kind = COMPLETE_OPTIONS;
	else if (!strncmp(last, "--", 2)) {
		p->begun = value + 1;
		place_in_value(p, last + 2, value - last - 2);
	}
}

static const struct verb *find_verb(const struct complete_line *l)
{
	for (const struct verb *const *verb = l->verbs; *verb; verb++)
		if (!strcmp((*verb)->name, l->words[0]))
			return *verb;
	return NULL;
}

/* Goes through the words before the last. Whether one of them says what the last one is. */
static bool place_behind_others(struct complete_place *p, const struct complete_line *l, int last,
				int *operands_before)
{
	for (int i = 1; i < last; i++) {
		const char *word = l->words[i];

		if (!strcmp(word, "--")) {
			place_behind(p, last - i - 1);
			return true;
		}
		if (*word != '-' || !word[1]) { /* "-" is a file */
			++*operands_before;
		} else if (takes_next(p->verb, word + strspn(word, "-")) && ++i == last) {
			place_in_value(p, word + 2, strlen(word + 2));
			return true;
		}
	}
	return false;
}

struct complete_place complete_find(const struct complete_line *l)
{
	int last = l->count - 1, operands_before = 0;
	struct complete_place p = {.begun = l->words[last]};

	if (!last)
		p.kind = COMPLETE_VERBS;
	else
		p.verb = find_verb(l);
	if (p.verb && !place_behind_others(&p, l, last, &operands_before))
		place_last(&p, operands_before);
	return p;
}

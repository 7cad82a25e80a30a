/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * inih cuts NAME = VALUE and takes comments off. It would tell the first mistake only, join
 * indented lines to the one above, and say nothing of empty sections; so lines come from here,
 * which counts them, takes the indentation off, and keeps the lines that name a section for itself.
 */
#include "vmguard/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "vmguard/scope.h"

enum { DEFAULTS_MAX = 64, SECTION_BYTES = 64, WORDS_BYTES = 160 };

/* In which line something was set; 0: it was not. */
struct set_lines {
	unsigned section;
	unsigned keys[CONFIG_KEYS_MAX];
};

struct default_line {
	char name[CONFIG_NAME_BYTES];
	unsigned line;
};

struct reading {
	const char *path;
	FILE *file;
	struct config_reader *reader;
	struct config *config;
	struct fault *fault; /* the first mistake */
	unsigned line, mistakes;
	bool is_pending;		/* inih has not made a setting of the line yet */
	bool is_unknown;		/* the section, whose keys are passed over */
	char section[SECTION_BYTES];	/* as in the table of keys */
	struct config_webhook *webhook; /* whose section it is; NULL: another one */
	struct set_lines lines;
	struct set_lines webhook_lines[CONFIG_WEBHOOKS_MAX];
	struct default_line defaults[DEFAULTS_MAX];
	size_t default_count;
};

static void complain_at(struct reading *r, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void complain_at(struct reading *r, unsigned line, const char *format, ...)
{
	char text[FAULT_TEXT_BYTES];
	struct fault f;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fault_set(&f, -EINVAL, "%s:%u: %s", r->path, line, text);
	if (!r->mistakes++)
		*r->fault = f;
	if (r->reader && r->reader->wrong)
		r->reader->wrong(r->reader, f.text);
}

#define complain(r, ...) complain_at(r, (r)->line, __VA_ARGS__)

static void enter_webhook(struct reading *r, const char *name)
{
	struct config *c = r->config;
	size_t i = 0;

	while (i < c->webhook_count && strcmp(name, c->webhooks[i].name) != 0)
		i++;
	r->is_unknown = i == CONFIG_WEBHOOKS_MAX;
	if (r->is_unknown) {
		complain(r, "[webhook %s] is one too many: there may be %d", name,
			 CONFIG_WEBHOOKS_MAX);
		return;
	}
	r->webhook = &c->webhooks[i];
	if (i < c->webhook_count)
		return;
	snprintf(r->webhook->name, sizeof(r->webhook->name), "%s", name);
	config_keys_reset(CONFIG_WEBHOOK_SECTION, r->webhook);
	r->webhook_lines[i].section = r->line;
	c->webhook_count++;
}

static bool is_section(const char *name)
{
	if (!strcmp(name, CONFIG_DEFAULTS_SECTION))
		return true;
	for (size_t i = 0; i < config_key_count; i++)
		if (*name && !strcmp(name, config_keys[i].section))
			return true;
	return false;
}

/* The words of "[webhook NAME]", or "[NAME]". */
static void enter_section(struct reading *r, char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";
	char *which = name + strcspn(name, " \t");

	if (*which)
		*which++ = 0;
	which += strspn(which, " \t");
	snprintf(r->section, sizeof(r->section), "%s", name);
	r->webhook = NULL;
	r->is_unknown = !is_section(name);
	if (r->is_unknown) {
		const char *near = config_section_near(name);

		complain(r, "there is no section [%s]%s%s%s", name, near ? ", is [" : "",
			 near ? near : "", near ? "] meant?" : "");
	} else if (strcmp(name, CONFIG_WEBHOOK_SECTION) != 0) {
		r->is_unknown = *which;
		if (*which)
			complain(r, "section [%s] has no name behind it", name);
	} else if (!*which || which[strspn(which, letters)] || strlen(which) >= CONFIG_NAME_BYTES) {
		r->is_unknown = true;
		complain(r,
			 "a webhook is [webhook NAME], the name of at most %d letters, digits, "
			 "\"_\" and \"-\"",
			 CONFIG_NAME_BYTES - 1);
	} else
		enter_webhook(r, which);
}

/* "[NAME] # comment" */
static void read_section(struct reading *r, char *text)
{
	char *end = strchr(text, ']');
	const char *behind = end ? end + 1 + strspn(end + 1, " \t\r\n") : "";

	r->is_unknown = true;
	if (!end || (*behind && !strchr(";#", *behind))) {
		complain(r, "a section is [NAME] and nothing else");
		return;
	}
	*end = 0;
	text += 1 + strspn(text + 1, " \t");
	for (end = text + strlen(text); end > text && strchr(" \t", end[-1]); end--)
		end[-1] = 0;
	enter_section(r, text);
}

/* The section's words as they stand behind a key's name. */
static const char *section_words(const char *section, char words[WORDS_BYTES])
{
	if (*section)
		snprintf(words, WORDS_BYTES, "in [%s]", section);
	else
		snprintf(words, WORDS_BYTES, "above the first section");
	return words;
}

static void complain_unknown(struct reading *r, const char *name)
{
	char words[WORDS_BYTES];
	const char *near = config_key_near(r->section, name);
	const struct config_key *other = NULL;

	for (size_t i = 0; i < config_key_count && !near && !other; i++)
		if (!strcmp(config_keys[i].name, name))
			other = &config_keys[i];
	char here[WORDS_BYTES];
	section_words(r->section, here);
	if (near)
		complain(r, "there is no key %s %s, is %s meant?", name, here, near);
	else if (other)
		complain(r, "there is no key %s %s, it stands %s", name, here,
			 section_words(other->section, words));
	else
		complain(r, "there is no key %s %s", name, here);
}

/* Whether it is the first time; *line: where it was set before. */
static bool note_line(struct reading *r, const char *name, unsigned *line)
{
	if (!*line) {
		*line = r->line;
		return true;
	}
	complain(r, "%s is set twice, first in line %u", name, *line);
	return false;
}

static void set_key(struct reading *r, const char *name, const char *value)
{
	const struct config_key *key = config_key_find(r->section, name);
	char words[WORDS_BYTES];

	if (!key) {
		complain_unknown(r, name);
		return;
	}
	struct set_lines *lines =
		r->webhook ? &r->webhook_lines[r->webhook - r->config->webhooks] : &r->lines;
	if (!note_line(r, name, &lines->keys[key - config_keys]))
		return;
	void *object = r->webhook ? (void *)r->webhook : r->config;
	if (!config_key_read(key, value, object))
		complain(r, "%s is %s, not \"%s\"", name,
			 config_key_values(key, words, sizeof(words)), value);
}

static void set_default(struct reading *r, const char *name, const char *value)
{
	struct fault f;
	size_t i = 0;

	if (strlen(name) >= CONFIG_NAME_BYTES || r->default_count == DEFAULTS_MAX) {
		complain(r, "there is no key %s in [" CONFIG_DEFAULTS_SECTION "]", name);
		return;
	}
	while (i < r->default_count && strcmp(name, r->defaults[i].name) != 0)
		i++;
	if (i == r->default_count)
		memcpy(r->defaults[r->default_count++].name, name, strlen(name) + 1);
	if (note_line(r, name, &r->defaults[i].line) && r->reader && r->reader->set_default &&
	    r->reader->set_default(r->reader, name, value, &f) < 0)
		complain(r, "%s", f.text);
}

/* For inih, which knows no sections. */
static int take(void *reading, const char *unused, const char *name, const char *value)
{
	struct reading *r = reading;

	(void)unused;
	r->is_pending = false;
	if (r->is_unknown)
		return 1;
	if (!strcmp(r->section, CONFIG_DEFAULTS_SECTION))
		set_default(r, name, value);
	else
		set_key(r, name, value);
	return 1;
}

/* What of a line is inih's: nothing of a section, nor of a line that is wrong. */
static const char *line_for_inih(struct reading *r, char *text, size_t bytes, size_t room)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";

	if (strlen(text) < bytes) {
		complain(r, "there is a NUL in the line: this is no text");
		return "";
	}
	if (r->line == 1 && !strncmp(text, byte_order_mark, 3))
		text += 3;
	text += strspn(text, " \t\r\n\f\v");
	text[strcspn(text, "\r\n")] = 0;
	if (strlen(text) >= room) {
		complain(r, "the line is too long, %zu characters are allowed", room - 1);
		return "";
	}
	if (*text == '[') {
		read_section(r, text);
		return "";
	}
	r->is_pending = *text && !strchr(";#", *text);
	return text;
}

static void end_line(struct reading *r)
{
	if (r->is_pending)
		complain(r, "that is not NAME = VALUE");
	r->is_pending = false;
}

/* inih's reader: like fgets(). */
static char *next_line(char *line, int room, void *reading)
{
	struct reading *r = reading;
	auto_free char *text = NULL;
	size_t allocated = 0;

	end_line(r);
	ssize_t bytes = getline(&text, &allocated, r->file);
	if (bytes < 0)
		return NULL;
	r->line++;
	snprintf(line, room, "%s", line_for_inih(r, text, bytes, room));
	return line;
}

/* What only all of them together show. */
static void check_whole(struct reading *r)
{
	const struct config *c = r->config;
	const struct config_key *listen = config_key_find("api", "listen");

	if (c->listen[0] && !(c->certificate[0] && c->key[0] && c->client_ca[0]))
		complain_at(r, r->lines.keys[listen - config_keys],
			    "listen needs certificate, key and client-ca too: only clients with a "
			    "certificate are served over TCP");
	for (size_t i = 0; i < c->webhook_count; i++)
		if (!c->webhooks[i].url[0])
			complain_at(r, r->webhook_lines[i].section, "[webhook %s] has no url",
				    c->webhooks[i].name);
}

static void reset(struct config *c)
{
	static const char *const sections[] = {"", "host", "store", "limits", "api", "directories"};

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		config_keys_reset(sections[i], c);
}

static int read_file(struct reading *r)
{
	ini_parse_stream(next_line, r, take, r);
	end_line(r);
	if (ferror(r->file))
		return fault_set(r->fault, -EIO, "%s cannot be read", r->path);
	check_whole(r);
	if (r->mistakes > 1) {
		size_t end = strlen(r->fault->text);

		snprintf(r->fault->text + end, sizeof(r->fault->text) - end, " (and %u more)",
			 r->mistakes - 1);
	}
	return r->mistakes ? -EINVAL : 0;
}

int config_read(const char *path, struct config_reader *reader, struct config *c, struct fault *f)
{
	auto_free struct reading *r = calloc(1, sizeof(*r));

	reset(c);
	if (!r)
		return fault_errno(f, -ENOMEM, "read %s", path);
	*r = (struct reading){
		.path = path, .file = fopen(path, "re"), .reader = reader, .config = c, .fault = f};
	if (!r->file && errno == ENOENT)
		return 0;
	if (!r->file)
		return fault_errno(f, -errno, "read %s", path);
	int result = read_file(r);
	fclose(r->file);
	if (result < 0)
		reset(c);
	return result;
}

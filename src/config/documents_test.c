/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The example and the manual page say what the table of keys says. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"
#include "unit.h"
#include "vmguard/scope.h"

static struct fault fault;
static char text[64 << 10];

static void load(const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/cmd/vmguardd/%s", getenv("SOURCE_ROOT"), name);
	FILE *file = fopen(path, "re");
	ck_assert_msg(file != NULL, "%s", path);
	size_t bytes = fread(text, 1, sizeof(text) - 1, file);
	text[bytes] = 0;
	fclose(file);
}

static void read_text(struct config *c)
{
	char path[] = "/tmp/vg-config-XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ck_assert_msg(config_read(path, NULL, c, &fault) == 0, "%s", fault.text);
	unlink(path);
}

/* "#key = value" becomes "key = value"; what is a sentence stays a comment. */
static void uncomment(void)
{
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (line[0] == '#' && (line[1] == '[' || islower((unsigned char)line[1])))
			line[0] = ' ';
	}
}

static void must_be_equal(const struct config *a, const struct config *b)
{
	ck_assert_int_eq(memcmp(a, b, offsetof(struct config, webhooks)), 0);
}

START_TEST(the_example_has_each_key_at_its_default)
{
	struct config defaults, c;

	ck_assert_int_eq(config_read("/nowhere/vmguard.conf", NULL, &defaults, &fault), 0);
	load("vmguard.conf");
	read_text(&c);
	must_be_equal(&c, &defaults);
	ck_assert_uint_eq(c.webhook_count, 0);
	uncomment();
	read_text(&c);
	must_be_equal(&c, &defaults);
	ck_assert_uint_eq(c.webhook_count, 1);
	struct config_webhook webhook = {.name = "NAME", .url = "https://HOST/PATH"};
	const struct config_webhook example = c.webhooks[0];
	config_keys_reset(CONFIG_WEBHOOK_SECTION, &webhook);
	ck_assert_int_eq(example.severity, webhook.severity);
	ck_assert_uint_eq(example.queue_bytes, webhook.queue_bytes);
	ck_assert_int_eq(example.timeout_ms, webhook.timeout_ms);
	ck_assert_str_eq(example.secret_file, "");
	ck_assert_str_eq(example.ca_file, "");
}
END_TEST

/* Calls `each` for each key of the text in its section, and counts them. */
static size_t each_key(const char *section_mark, const char *key_mark,
		       void (*each)(const char *section, const char *key))
{
	char section[64] = "";
	size_t count = 0;

	for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
		char name[64] = "";

		if (!strncmp(line, section_mark, strlen(section_mark)))
			sscanf(line + strlen(section_mark), "%63[a-z]", section);
		if (strncmp(line, key_mark, strlen(key_mark)) != 0 ||
		    sscanf(line + strlen(key_mark), "%63[a-z-]", name) != 1 ||
		    !strcmp(section, CONFIG_DEFAULTS_SECTION))
			continue;
		each(section, name);
		count++;
	}
	return count;
}

static void must_exist(const char *section, const char *key)
{
	ck_assert_msg(config_key_find(section, key) != NULL, "[%s] %s", section, key);
}

START_TEST(the_example_has_all_keys_once)
{
	load("vmguard.conf");
	uncomment();
	for (char *c = text; (c = strstr(c, "\n ")); c++) /* what was a comment */
		memmove(c + 1, c + 2, strlen(c + 1));
	ck_assert_uint_eq(each_key("[", "", must_exist), config_key_count);
}
END_TEST

START_TEST(the_page_has_all_keys_once)
{
	load("vmguard.conf.5");
	ck_assert_uint_eq(each_key(".Ss [", ".It Cm ", must_exist), config_key_count);
}
END_TEST

/* The key's part of the page, to the next key or section. */
static const char *part_of_page(const struct config_key *k)
{
	static char part[4096];
	char section[64], item[64];
	const char *at = text, *end;

	snprintf(section, sizeof(section), ".Ss [%s", k->section);
	snprintf(item, sizeof(item), "\n.It Cm %s ", k->name);
	if (*k->section)
		at = strstr(at, section);
	ck_assert_ptr_nonnull(at);
	at = strstr(at, item);
	ck_assert_ptr_nonnull(at);
	end = strstr(at + 1, "\n.It ");
	if (!end || end > strstr(at, "\n.El"))
		end = strstr(at, "\n.El");
	snprintf(part, sizeof(part), "%.*s", (int)(end - at), at);
	return part;
}

START_TEST(the_page_has_the_defaults_and_the_choices)
{
	load("vmguard.conf.5");
	for (size_t i = 0; i < config_key_count; i++) {
		const struct config_key *k = &config_keys[i];
		const char *part = part_of_page(k);
		char words[128];

		if (*k->initial)
			snprintf(words, sizeof(words), "The default is\n.Cm %s .", k->initial);
		else
			strcpy(words,
			       strcmp(k->name, "url") ? "The default is none" : "has no default");
		ck_assert_msg(strstr(part, words) != NULL, "%s", part);
		for (size_t c = 0; k->choices && k->choices[c]; c++)
			ck_assert_msg(strstr(part, k->choices[c]) != NULL, "%s", part);
	}
}
END_TEST

UNIT_MAIN("documents", the_example_has_each_key_at_its_default, the_example_has_all_keys_once,
	  the_page_has_all_keys_once, the_page_has_the_defaults_and_the_choices)

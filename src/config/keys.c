/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keys.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "spelling.h"
#include "vmguard/values.h"

static bool read_choice(const struct config_key *k, const char *value, char *field)
{
	for (int i = 0; k->choices[i]; i++)
		if (!strcmp(value, k->choices[i])) {
			assert(k->bytes == sizeof(i)); /* of an enum */
			memcpy(field, &i, sizeof(i));
			return true;
		}
	return false;
}

static bool set_number(const struct config_key *k, uint64_t number, char *field)
{
	assert(k->bytes == sizeof(number));
	memcpy(field, &number, sizeof(number));
	return number >= k->least && number <= k->most;
}

static bool read_count(const struct config_key *k, const char *value, char *field)
{
	uint64_t count;

	return parse_count(value, &count) && set_number(k, count, field);
}

static bool read_size(const struct config_key *k, const char *value, char *field)
{
	uint64_t bytes;

	return parse_size(value, &bytes) && set_number(k, bytes, field);
}

static bool read_duration(const struct config_key *k, const char *value, char *field)
{
	int64_t ms;

	return parse_duration(value, &ms) && set_number(k, ms, field);
}

static bool read_text(const struct config_key *k, const char *value, char *field)
{
	size_t length = strlen(value);

	if (length >= k->bytes)
		return false;
	for (const char *c = value; *c; c++)
		if (iscntrl((unsigned char)*c))
			return false;
	memcpy(field, value, length + 1);
	return true;
}

static bool read_path(const struct config_key *k, const char *value, char *field)
{
	return *value == '/' && read_text(k, value, field);
}

/* Of a host, group or webhook. */
static bool read_name(const struct config_key *k, const char *value, char *field)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";

	return strspn(value, letters) == strlen(value) && !strchr(".-", *value) &&
	       read_text(k, value, field);
}

static bool read_store(const struct config_key *k, const char *value, char *field)
{
	bool is_store = !strncmp(value, "dir:/", 5) || (!strncmp(value, "rbd:", 4) && value[4]);

	return is_store && read_text(k, value, field);
}

static bool is_port(const char *text)
{
	uint64_t port;

	return parse_count(text, &port) && port >= 1 && port <= UINT16_MAX;
}

static bool read_listen(const struct config_key *k, const char *value, char *field)
{
	char address[INET6_ADDRSTRLEN];
	unsigned char binary[sizeof(struct in6_addr)];
	bool is_v6 = *value == '[';
	const char *begin = value + is_v6, *end = strrchr(value, ':');

	if (!end || !is_port(end + 1) || end < begin + is_v6)
		return false;
	if (is_v6 && *--end != ']')
		return false;
	if ((size_t)(end - begin) >= sizeof(address))
		return false;
	memcpy(address, begin, end - begin);
	address[end - begin] = 0;
	return inet_pton(is_v6 ? AF_INET6 : AF_INET, address, binary) == 1 &&
	       read_text(k, value, field);
}

static bool read_url(const struct config_key *k, const char *value, char *field)
{
	size_t scheme = !strncmp(value, "https://", 8) ? 8 : !strncmp(value, "http://", 7) ? 7 : 0;

	const char *host = value + scheme;

	return scheme &&
	       (*host == '[' ? strchr(host, ']') != NULL : isalnum((unsigned char)*host)) &&
	       !strpbrk(value, " \t\"<>\\^`{|}") && read_text(k, value, field);
}

static const char *const hook_names[] = {"refuse", "allow", NULL};

#define OF(field) offsetof(struct config, field), sizeof(((struct config *)NULL)->field)
#define OF_WEBHOOK(field) \
	offsetof(struct config_webhook, field), sizeof(((struct config_webhook *)NULL)->field)
#define NAME_WORDS "a name of letters, digits, \"_\", \".\" and \"-\""
#define PATH_WORDS "an absolute path"

const struct config_key config_keys[] = {
	{"", "hook-when-down", "refuse", NULL, read_choice, OF(hook_when_down), hook_names},
	{"host", "name", "", NAME_WORDS, read_name, OF(host)},
	{"store", "uri", "", "dir:/PATH or rbd:POOL[/PREFIX][?KEY=VALUE&...]", read_store,
	 OF(store)},
	{"limits", "captures-per-host", "2", "a number from 1 to 64", read_count,
	 OF(captures_per_host), NULL, 1, 64},
	{"limits", "captures-per-store", "8", "a number from 1 to 1024", read_count,
	 OF(captures_per_store), NULL, 1, 1024},
	{"limits", "spool", "1G", "a size such as 512M or 4G, at least 64M", read_size,
	 OF(spool_bytes), NULL, 64 << 20, UINT64_MAX},
	{"api", "socket", "/run/vmguard/api.sock", "an absolute path of at most 107 characters",
	 read_path, OF(socket)},
	{"api", "group", "vmguard", NAME_WORDS, read_name, OF(group)},
	{"api", "listen", "", "IPV4:PORT or [IPV6]:PORT", read_listen, OF(listen)},
	{"api", "certificate", "", PATH_WORDS, read_path, OF(certificate)},
	{"api", "key", "", PATH_WORDS, read_path, OF(key)},
	{"api", "client-ca", "", PATH_WORDS, read_path, OF(client_ca)},
	{"directories", "run", "/run/vmguard", PATH_WORDS, read_path, OF(run_directory)},
	{"directories", "state", "/var/lib/vmguard", PATH_WORDS, read_path, OF(state_directory)},
	{"webhook", "url", "", "https://HOST[:PORT]/PATH or http://HOST[:PORT]/PATH", read_url,
	 OF_WEBHOOK(url)},
	{"webhook", "secret-file", "", PATH_WORDS, read_path, OF_WEBHOOK(secret_file)},
	{"webhook", "ca-file", "", PATH_WORDS, read_path, OF_WEBHOOK(ca_file)},
	{"webhook", "severity", "warning", NULL, read_choice, OF_WEBHOOK(severity),
	 event_severity_names},
	{"webhook", "queue", "16M", "a size from 64K to 16G", read_size, OF_WEBHOOK(queue_bytes),
	 NULL, 64 << 10, UINT64_C(16) << 30},
	{"webhook", "timeout", "10s", "a duration from 1s to 5m", read_duration,
	 OF_WEBHOOK(timeout_ms), NULL, 1000, 300000},
};
const size_t config_key_count = sizeof(config_keys) / sizeof(config_keys[0]);
_Static_assert(sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX, "more of them");

const struct config_key *config_key_find(const char *section, const char *name)
{
	for (size_t i = 0; i < config_key_count; i++)
		if (!strcmp(config_keys[i].section, section) && !strcmp(config_keys[i].name, name))
			return &config_keys[i];
	return NULL;
}

bool config_key_read(const struct config_key *k, const char *value, void *object)
{
	char *field = (char *)object + k->offset;

	if (*value)
		return k->read(k, value, field);
	memset(field, 0, k->bytes);
	return !*k->initial;
}

const char *config_key_values(const struct config_key *k, char *text, size_t bytes)
{
	if (k->values) {
		snprintf(text, bytes, "%s", k->values);
		return text;
	}
	text[0] = 0;
	for (size_t i = 0; k->choices[i]; i++) {
		const char *before = !i ? "" : k->choices[i + 1] ? ", " : " or ";
		size_t end = strlen(text);

		snprintf(text + end, bytes - end, "%s%s", before, k->choices[i]);
	}
	return text;
}

void config_keys_reset(const char *section, void *object)
{
	for (size_t i = 0; i < config_key_count; i++) {
		if (strcmp(config_keys[i].section, section) != 0)
			continue;
		bool is_value = config_key_read(&config_keys[i], config_keys[i].initial, object);
		assert(is_value);
		(void)is_value;
	}
}

const char *config_section_near(const char *typed)
{
	struct spelling nearest = spelling_of(typed);

	for (size_t i = 0; i < config_key_count; i++)
		if (*config_keys[i].section)
			spelling_try(&nearest, config_keys[i].section);
	spelling_try(&nearest, CONFIG_DEFAULTS_SECTION);
	return nearest.found;
}

const char *config_key_near(const char *section, const char *typed)
{
	struct spelling nearest = spelling_of(typed);

	for (size_t i = 0; i < config_key_count; i++)
		if (!strcmp(config_keys[i].section, section))
			spelling_try(&nearest, config_keys[i].name);
	return nearest.found;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* THE table of settings: how each is called, read and written. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmguard/policy.h"
#include "vmguard/values.h"

struct row;

/* How a value is read into its field and written from it; the text is neither empty nor `nothing`.
 */
struct form {
	bool (*read)(const struct row *row, const char *text, void *field);
	/* NULL where the field has nothing. */
	const char *(*write)(const struct row *row, const void *field,
			     char text[POLICY_VALUE_BYTES]);
};

struct row {
	struct policy_key key;
	const struct form *form;
	size_t offset, room;		/* of the field in struct policy */
	const char *nothing;		/* the word for a field of zeros; NULL: there is none */
	uint64_t least, most;		/* of numbers; 0, 0: any */
	const char *const *choices;	/* up to NULL */
	bool (*fits)(const char *text); /* for texts */
};

/* ---- forms ------------------------------------------------------------------------------- */

static bool is_within(const struct row *row, uint64_t value)
{
	return value >= row->least && (!row->most || value <= row->most);
}

static bool read_duration(const struct row *row, const char *text, void *field)
{
	int64_t ms;

	if (!parse_duration(text, &ms) || !is_within(row, ms))
		return false;
	*(int64_t *)field = ms;
	return true;
}

static const char *write_duration(const struct row *row, const void *field,
				  char text[POLICY_VALUE_BYTES])
{
	(void)row;
	return value_of_duration(*(const int64_t *)field, text);
}

static bool read_size(const struct row *row, const char *text, void *field)
{
	uint64_t bytes;

	if (!parse_size(text, &bytes) || !is_within(row, bytes))
		return false;
	*(uint64_t *)field = bytes;
	return true;
}

static const char *write_size(const struct row *row, const void *field,
			      char text[POLICY_VALUE_BYTES])
{
	uint64_t bytes = *(const uint64_t *)field;

	(void)row;
	return bytes ? value_of_size(bytes, text) : NULL;
}

static bool read_count(const struct row *row, const char *text, void *field)
{
	uint64_t count;

	if (!parse_count(text, &count) || !is_within(row, count))
		return false;
	*(uint64_t *)field = count;
	return true;
}

static const char *write_count(const struct row *row, const void *field,
			       char text[POLICY_VALUE_BYTES])
{
	(void)row;
	snprintf(text, POLICY_VALUE_BYTES, "%" PRIu64, *(const uint64_t *)field);
	return text;
}

/* The fields of struct retention. */
static bool read_keep(const struct row *row, const char *text, void *field)
{
	uint64_t count;

	if (!read_count(row, text, &count))
		return false;
	*(unsigned *)field = count;
	return true;
}

static const char *write_keep(const struct row *row, const void *field,
			      char text[POLICY_VALUE_BYTES])
{
	uint64_t count = *(const unsigned *)field;

	return write_count(row, &count, text);
}

static bool read_choice(const struct row *row, const char *text, void *field)
{
	for (unsigned i = 0; row->choices[i]; i++)
		if (!strcmp(text, row->choices[i])) {
			*(unsigned *)field = i;
			return true;
		}
	return false;
}

static const char *write_choice(const struct row *row, const void *field,
				char text[POLICY_VALUE_BYTES])
{
	snprintf(text, POLICY_VALUE_BYTES, "%s", row->choices[*(const unsigned *)field]);
	return text;
}

static bool read_flag(const struct row *row, const char *text, void *field)
{
	bool yes = !strcmp(text, "yes");

	(void)row;
	if (!yes && strcmp(text, "no") != 0)
		return false;
	*(bool *)field = yes;
	return true;
}

static const char *write_flag(const struct row *row, const void *field,
			      char text[POLICY_VALUE_BYTES])
{
	(void)row;
	snprintf(text, POLICY_VALUE_BYTES, "%s", *(const bool *)field ? "yes" : "no");
	return text;
}

static bool read_text(const struct row *row, const char *text, void *field)
{
	size_t length = strlen(text);

	if (length >= row->room || !row->fits(text))
		return false;
	memcpy(field, text, length + 1);
	return true;
}

static const char *write_text(const struct row *row, const void *field,
			      char text[POLICY_VALUE_BYTES])
{
	(void)row;
	snprintf(text, POLICY_VALUE_BYTES, "%s", (const char *)field);
	return *text ? text : NULL;
}

static const struct form duration = {read_duration, write_duration};
static const struct form size = {read_size, write_size};
static const struct form count = {read_count, write_count};
static const struct form keep = {read_keep, write_keep};
static const struct form choice = {read_choice, write_choice};
static const struct form flag = {read_flag, write_flag};
static const struct form text_form = {read_text, write_text};

/* ---- what texts may be ------------------------------------------------------------------- */

static bool is_printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static bool is_path(const char *text)
{
	return *text == '/' && is_printable(text);
}

static bool is_group(const char *text)
{
	struct fault unused;

	return store_check_name(text, &unused) == 0;
}

static bool is_host(const char *name, size_t length)
{
	if (!length || !isalnum((unsigned char)*name))
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-._", name[i]))
			return false;
	return true;
}

/* Each once: a name that comes twice is a slip of the pen for another one. */
static bool is_list_of_hosts(const char *text)
{
	for (const char *at = text;; at++) {
		size_t length = strcspn(at, ",");
		char host[POLICY_HOSTS_BYTES];

		if (!is_host(at, length))
			return false;
		snprintf(host, sizeof(host), "%.*s", (int)length, at);
		at += length;
		if (!*at)
			return true;
		if (policy_has_host(at + 1, host))
			return false;
	}
}

bool policy_has_host(const char *hosts, const char *host)
{
	size_t length = strlen(host);

	while (*hosts) {
		size_t next = strcspn(hosts, ",");

		if (next == length && !strncmp(hosts, host, length))
			return true;
		hosts += next + (hosts[next] == ',');
	}
	return false;
}

/* ---- the table --------------------------------------------------------------------------- */

static const char *const on_failures[] = {
	[POLICY_RESUME] = "resume",
	[POLICY_REBOOT] = "reboot",
	[POLICY_MANUAL] = "manual",
	NULL,
};
static const char *const clocks[] = {
	[POLICY_CLOCK_SET] = "set",
	[POLICY_CLOCK_KEEP] = "keep",
	NULL,
};
static const char *const networks[] = {
	[POLICY_NETWORK_ANNOUNCE] = "announce",
	[POLICY_NETWORK_KEEP] = "keep",
	NULL,
};

#define FIELD(name) \
	.offset = offsetof(struct policy, name), .room = sizeof(((struct policy *)NULL)->name)
#define KEEP_RANGE "a number from 0 to 1000000"

static const struct row rows[] = {
	{{"domain", "none", "the name or UUID of a domain of libvirt, or none",
	  "which guest it is: a domain of libvirt"},
	 &text_form,
	 FIELD(domain),
	 .nothing = "none",
	 .fits = is_printable},
	{{"connect", "default", "a URI of libvirt, as qemu:///system, or default", "which libvirt"},
	 &text_form,
	 FIELD(connect),
	 .nothing = "default",
	 .fits = is_printable},
	{{"qmp", "none", "the whole path of a socket, at most 107 bytes, or none",
	  "which guest it is: a QEMU, by its QMP socket"},
	 &text_form,
	 FIELD(qmp),
	 .nothing = "none",
	 .fits = is_path},
	{{"interval", "10s", "a duration from 500ms to 24h, as 10s, 5m or 1h",
	  "how often a checkpoint is taken"},
	 &duration,
	 FIELD(interval_ms),
	 .least = 500,
	 .most = 24 * 3600 * 1000},
	{{"keep-last", "10", KEEP_RANGE, "keep the newest checkpoints"},
	 &keep,
	 FIELD(keep.keep_last)},
	{{"keep-hourly", "0", KEEP_RANGE, "and the newest one of so many further hours"},
	 &keep,
	 FIELD(keep.keep_hourly)},
	{{"keep-daily", "0", KEEP_RANGE, "and the newest one of so many further days"},
	 &keep,
	 FIELD(keep.keep_daily)},
	{{"keep-weekly", "0", KEEP_RANGE, "and the newest one of so many further weeks"},
	 &keep,
	 FIELD(keep.keep_weekly)},
	{{"on-failure", "resume", "resume, reboot or manual",
	  "what follows when its host or its QEMU died"},
	 &choice,
	 FIELD(on_failure),
	 .choices = on_failures},
	{{"priority", "100", "a number from 0 to 1000", "the higher ones are continued first"},
	 &count,
	 FIELD(priority),
	 .most = 1000},
	{{"allowed-hosts", "any", "names of hosts, each once, as a,b, or any",
	  "where it may be continued"},
	 &text_form,
	 FIELD(allowed_hosts),
	 .nothing = "any",
	 .fits = is_list_of_hosts},
	{{"preferred-hosts", "none", "names of hosts, each once, as a,b, or none",
	  "where it is continued if possible, the first one first"},
	 &text_form,
	 FIELD(preferred_hosts),
	 .nothing = "none",
	 .fits = is_list_of_hosts},
	{{"anti-affinity", "none", "a name of letters, digits, '.', '_' and '-', or none",
	  "guests of the same group run on different hosts"},
	 &text_form,
	 FIELD(anti_affinity),
	 .nothing = "none",
	 .fits = is_group},
	{{"restarts", "3", "a number from 0 to 16",
	  "how often it is continued in restart-window, before a person has to"},
	 &count,
	 FIELD(restarts),
	 .most = POLICY_RESTARTS_MAX},
	{{"restart-window", "1h", "a duration from 1s to 240h, as 10m or 1h", "see restarts"},
	 &duration,
	 FIELD(restart_window_ms),
	 .least = 1000,
	 .most = 240 * 3600 * 1000},
	{{"clock", "set", "set or keep", "set the guest's clock after a restore, or keep it"},
	 &choice,
	 FIELD(clock),
	 .choices = clocks},
	{{"network", "announce", "announce or keep",
	  "announce the guest's network after a restore, or keep silent"},
	 &choice,
	 FIELD(network),
	 .choices = networks},
	{{"key-file", "none", "the whole path of a file, or none",
	  "encrypt a new image with the key in this file of each host"},
	 &text_form,
	 FIELD(key_file),
	 .nothing = "none",
	 .fits = is_path},
	{{"max-rate", "none", "a size of at least 1M, as 100M, or none",
	  "bytes a second to the store"},
	 &size,
	 FIELD(max_rate),
	 .nothing = "none",
	 .least = 1 << 20},
	{{"spool", "default", "a size of at least 32M, as 512M, or default",
	  "memory between QEMU and the store"},
	 &size,
	 FIELD(spool_bytes),
	 .nothing = "default",
	 .least = 32 << 20},
	{{"without-disks", "no", "yes or no", "leave the guest's disks out of its checkpoints"},
	 &flag,
	 FIELD(without_disks)},
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const struct policy_key *policy_key(size_t i)
{
	return i < ROWS ? &rows[i].key : NULL;
}

static const struct row *find(const char *name)
{
	for (size_t i = 0; i < ROWS; i++)
		if (!strcmp(name, rows[i].key.name))
			return &rows[i];
	return NULL;
}

static int unknown_fault(const char *name, struct fault *f)
{
	char names[400] = "";

	for (size_t i = 0; i < ROWS; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
			 i ? ", " : "", rows[i].key.name);
	return fault_set(f, -EINVAL, "a policy has no setting \"%.40s\"; it has %s", name, names);
}

/* ---- settings ---------------------------------------------------------------------------- */

int policy_set(struct policy *p, const char *name, const char *value, struct fault *f)
{
	const struct row *row = find(name);

	if (!row)
		return unknown_fault(name, f);
	void *field = (char *)p + row->offset;
	if (row->nothing && !strcmp(value, row->nothing)) {
		memset(field, 0, row->room);
		return 0;
	}
	if (*value && row->form->read(row, value, field))
		return 0;
	return fault_set(f, -EINVAL, "%s \"%.80s\" is not %s", name, value, row->key.allowed);
}

const char *policy_text(const struct policy *p, const char *name, char text[POLICY_VALUE_BYTES])
{
	const struct row *row = find(name);

	if (!row)
		return NULL;
	if (row->form->write(row, (const char *)p + row->offset, text))
		return text;
	snprintf(text, POLICY_VALUE_BYTES, "%s", row->nothing);
	return text;
}

void policy_init(struct policy *p)
{
	struct fault f;

	*p = (struct policy){0};
	for (size_t i = 0; i < ROWS; i++)
		if (policy_set(p, rows[i].key.name, rows[i].key.by_default, &f) < 0)
			abort(); /* the table contradicts itself */
}

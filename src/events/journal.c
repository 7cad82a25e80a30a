/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A datagram an event; all lie far below what a socket takes, so none needs a memfd. */
#include "vmguard/journal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { DATAGRAM_BYTES = 8192 };

struct journal {
	struct event_sink sink;
	int fd; /* -1: standard error instead */
	struct sockaddr_un address;
	uint64_t lost;
};

/* Texts hold no newlines, so the protocol's simple form does: NAME=value, one a line. */
static void add(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=%s\n", name, value);
}

static void add_number(FILE *out, const char *name, uint64_t number)
{
	fprintf(out, "%s=%" PRIu64 "\n", name, number);
}

static void add_field(FILE *out, const struct event_field *field)
{
	fputs("VMGUARD_", out);
	for (const char *c = field->name; *c; c++)
		fputc(toupper((unsigned char)*c), out);
	if (field->is_text)
		fprintf(out, "=%s\n", field->text);
	else
		fprintf(out, "=%" PRId64 "\n", field->number);
}

static void write_fields(FILE *out, const struct journal *j, const struct event *e)
{
	/* syslog's LOG_INFO, LOG_WARNING, LOG_ERR */
	static const char *const priorities[EVENT_SEVERITIES] = {"6", "4", "3"};

	add(out, "MESSAGE", e->sentence);
	add(out, "MESSAGE_ID", event_kind_id(e->kind));
	add(out, "PRIORITY", priorities[event_kind_severity(e->kind)]);
	add(out, "SYSLOG_IDENTIFIER", "vmguardd");
	add(out, "VMGUARD_EVENT", event_kind_name(e->kind));
	add_number(out, "VMGUARD_SEQUENCE", e->sequence);
	add(out, "VMGUARD_HOST", e->host);
	if (e->guest[0])
		add(out, "VMGUARD_GUEST", e->guest);
	if (e->checkpoint)
		add_number(out, "VMGUARD_CHECKPOINT", e->checkpoint);
	for (size_t i = 0; i < e->field_count; i++)
		add_field(out, &e->fields[i]);
	if (j->lost)
		add_number(out, "VMGUARD_LOST", j->lost);
}

static bool send_event(struct journal *j, const struct event *e)
{
	char text[DATAGRAM_BYTES];
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (!out)
		return false;
	write_fields(out, j, e);
	long bytes = ftell(out);
	fclose(out);
	return sendto(j->fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&j->address, sizeof(j->address)) >= 0;
}

static void on_event(struct event_sink *sink, const struct event *e)
{
	struct journal *j = (struct journal *)sink;
	char line[EVENT_LINE_BYTES];

	if (j->fd < 0)
		fprintf(stderr, "%s\n", event_line(e, line));
	else if (send_event(j, e))
		j->lost = 0;
	else
		j->lost++;
}

int journal_open(const char *path, struct journal **out, struct fault *f)
{
	auto_of(journal_close) struct journal *j = calloc(1, sizeof(*j));

	*out = NULL;
	if (!j)
		return fault_errno(f, -ENOMEM, "open the journal");
	*j = (struct journal){.sink.event = on_event, .fd = -1, .address.sun_family = AF_UNIX};
	if (path && strlen(path) >= sizeof(j->address.sun_path))
		return fault_set(f, -EINVAL, "%s is too long for a socket", path);
	if (path) {
		memcpy(j->address.sun_path, path, strlen(path) + 1);
		j->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (j->fd < 0)
			return fault_errno(f, -errno, "make a socket for the journal");
	}
	*out = give(j);
	return 0;
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	if (j->fd >= 0)
		close(j->fd);
	free(j);
}

struct event_sink *journal_sink(struct journal *j)
{
	return &j->sink;
}

uint64_t journal_lost(const struct journal *j)
{
	return j->lost;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vmguard/clock.h"
#include "vmguard/config.h"

enum { AGAIN_MS = 1000 };

/* A file with mistakes has the defaults: what is said then may help. */
static const struct config *settings(void)
{
	const char *file = getenv("VMGUARD_CONFIG");
	static struct config config;
	static bool is_read;
	struct fault f;

	if (!is_read && config_read(file ? file : CONFIG_FILE, NULL, &config, &f) < 0)
		tell_fault(NULL, &f);
	is_read = true;
	return &config;
}

const char *settings_store(void)
{
	return settings()->store[0] ? settings()->store : NULL;
}

int daemon_client(const struct arguments *a, const volatile int *stop, struct client **c,
		  struct fault *f)
{
	const struct client_options options = {
		.socket = a->host     ? NULL
			  : a->socket ? a->socket
				      : settings()->socket,
		.url = a->host,
		.certificate = a->cert,
		.key = a->cert_key,
		.authority = a->ca,
		.stop = stop,
	};

	if (a->host && a->socket)
		return fault_set(f, -EINVAL, "either --socket or --host, not both");
	return client_open(&options, c, f);
}

struct following {
	int (*event)(void *context, const struct client_event *e);
	void *context;
	char last[32]; /* the id of the last event; "": it had none */
	bool seen;
};

static int pass_on(void *following, const struct client_event *e)
{
	struct following *w = following;

	w->seen = true;
	snprintf(w->last, sizeof(w->last), "%s", e->id);
	return w->event(w->context, e);
}

int daemon_follow(const struct arguments *a, const char *path,
		  int (*event)(void *context, const struct client_event *e), void *context,
		  struct fault *f)
{
	const volatile int *stop = interrupt_catch("");
	struct following w = {.event = event, .context = context};
	auto_of(client_close) struct client *c = NULL;
	int r = daemon_client(a, stop, &c, f);

	while (!r && !*stop) {
		r = client_follow(c, path, *w.last ? w.last : NULL, pass_on, &w, f);
		bool again = !r || (r != -EPIPE && (w.seen || r == -ECONNRESET));
		if (*stop || !again)
			break;
		if (r)
			tell_fault(NULL, f);
		r = 0;
		sleep_us(AGAIN_MS * 1000);
	}
	return *stop || r == -EPIPE ? 0 : r;
}

void daemon_guest_path(const char *guest, const char *rest, char path[DAEMON_PATH_BYTES])
{
	char *name = client_encode(guest);

	snprintf(path, DAEMON_PATH_BYTES, "/v1/guests/%.*s%s", 3 * STORE_NAME_BYTES,
		 name ? name : "", rest);
	free(name);
}

/* ---- answers -------------------------------------------------------------------------------- */

const char *answer_text(struct json_object *o, const char *key)
{
	struct json_object *member;

	return json_object_object_get_ex(o, key, &member) ? json_object_get_string(member) : "";
}

int64_t answer_number(struct json_object *o, const char *key)
{
	return json_object_get_int64(json_object_object_get(o, key));
}

bool answer_has(struct json_object *o, const char *key)
{
	return json_object_object_get_ex(o, key, NULL);
}

const char *answer_time(struct json_object *o, const char *key, char text[32])
{
	struct tm utc = {0};

	if (!strptime(answer_text(o, key), "%Y-%m-%dT%H:%M:%S", &utc))
		snprintf(text, 32, "-");
	else
		format_time((int64_t)timegm(&utc) * 1000, text);
	return text;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_agent/answers.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/scope.h"

enum { SENTINEL = 0xff };

static bool brings_into_step(struct json_object *message, int64_t id)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(message, "return", &value) &&
	       json_object_is_type(value, json_type_int) && json_object_get_int64(value) == id;
}

static int take(struct qmp_sink *s, struct json_object *message, size_t bytes, struct qmp_error *e)
{
	struct agent_answers *a = (struct agent_answers *)s;

	(void)bytes;
	(void)e;
	a->bytes = 0;
	if (a->answer || (a->sync_id && !brings_into_step(message, a->sync_id))) {
		json_object_put(message);
		return 0;
	}
	a->sync_id = 0;
	a->answer = message;
	return 0;
}

/* Without a parser everything is skipped. */
static void skip_to_the_sentinel(struct agent_answers *a)
{
	qmp_parser_free(give(a->parser));
	a->bytes = 0;
}

void agent_answers_clear(struct agent_answers *a)
{
	skip_to_the_sentinel(a);
	json_object_put(agent_answers_take(a));
}

void agent_answers_resync(struct agent_answers *a, int64_t id)
{
	agent_answers_clear(a);
	a->sink.take = take;
	a->sync_id = id;
}

struct json_object *agent_answers_take(struct agent_answers *a)
{
	return give(a->answer);
}

static int feed_piece(struct agent_answers *a, const char *bytes, size_t length, struct fault *f)
{
	struct qmp_error e;

	if (!a->parser || !length)
		return 0;
	a->bytes += length;
	int r = qmp_parser_feed(a->parser, bytes, length, &e);
	if (!r && a->bytes <= AGENT_ANSWER_BYTES)
		return 0;
	skip_to_the_sentinel(a);
	if (a->sync_id)
		return 0;
	return r < 0 ? fault_set(f, r, "the guest agent sent no JSON: %s", e.text)
		     : fault_set(f, -EPROTO, "the guest agent's answer is longer than %d KiB",
				 AGENT_ANSWER_BYTES >> 10);
}

static int begin_anew(struct agent_answers *a, struct fault *f)
{
	skip_to_the_sentinel(a);
	a->parser = qmp_parser_new(&a->sink);
	return a->parser ? 0 : fault_errno(f, -ENOMEM, "read the guest agent");
}

int agent_answers_feed(struct agent_answers *a, const char *bytes, size_t length, struct fault *f)
{
	int r = 0;

	while (!r && length) {
		const char *sentinel = memchr(bytes, SENTINEL, length);
		size_t piece = sentinel ? (size_t)(sentinel - bytes) : length;

		r = feed_piece(a, bytes, piece, f);
		if (!r && sentinel) {
			r = begin_anew(a, f);
			piece++;
		}
		bytes += piece;
		length -= piece;
	}
	return r;
}

/* The guest's words end up on a terminal. */
static void copy_printable(struct json_object *value, char *text, size_t room)
{
	snprintf(text, room, "%s", value ? json_object_get_string(value) : "it gives no reason");
	for (; *text; text++)
		if (!isprint((unsigned char)*text))
			*text = '?';
}

int agent_answer_read(struct json_object *answer, const char *command, struct fault *f)
{
	struct json_object *error = NULL, *reason = NULL;
	char text[256];

	if (json_object_object_get_ex(answer, "return", NULL))
		return 0;
	if (!json_object_object_get_ex(answer, "error", &error))
		return fault_set(f, -EPROTO,
				 "the guest agent's answer to %s has neither return "
				 "nor error",
				 command);
	json_object_object_get_ex(error, "desc", &reason);
	copy_printable(reason, text, sizeof(text));
	return fault_set(f, -EREMOTEIO, "the guest agent refused %s: %s", command, text);
}

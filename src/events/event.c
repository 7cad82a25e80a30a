/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One event: how it is made, and its forms for readers. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/events.h"
#include "vmguard/json_add.h"
#include "vmguard/utf8.h"

void event_begin(struct event *e, enum event_kind kind, const char *guest)
{
	*e = (struct event){.kind = kind};
	snprintf(e->guest, sizeof(e->guest), "%s", guest ? guest : "");
	utf8_clean(e->guest);
}

static struct event_field *field_add(struct event *e, const char *name)
{
	assert(e->field_count < EVENT_FIELDS_MAX);
	struct event_field *field = &e->fields[e->field_count++];

	field->name = name;
	return field;
}

void event_number(struct event *e, const char *name, int64_t number)
{
	field_add(e, name)->number = number;
}

void event_text(struct event *e, const char *name, const char *text)
{
	struct event_field *field = field_add(e, name);

	field->is_text = true;
	snprintf(field->text, sizeof(field->text), "%s", text);
	utf8_clean(field->text);
}

void event_say(struct event *e, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(e->sentence, sizeof(e->sentence), format, arguments);
	va_end(arguments);
	utf8_clean(e->sentence);
}

const char *event_line(const struct event *e, char line[EVENT_LINE_BYTES])
{
	char guest[sizeof(" guest=") + EVENT_NAME_BYTES] = "", checkpoint[40] = "";

	if (e->guest[0])
		snprintf(guest, sizeof(guest), " guest=%s", e->guest);
	if (e->checkpoint)
		snprintf(checkpoint, sizeof(checkpoint), " checkpoint=%" PRIu64, e->checkpoint);
	snprintf(line, EVENT_LINE_BYTES, "%s%s%s %s",
		 event_severity_names[event_kind_severity(e->kind)], guest, checkpoint,
		 e->sentence);
	return line;
}

static struct json_object *fields_json(const struct event *e)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < e->field_count; i++) {
		const struct event_field *field = &e->fields[i];

		if (field->is_text)
			json_add_text(o, field->name, field->text);
		else
			json_object_object_add(o, field->name,
					       json_object_new_int64(field->number));
	}
	return o;
}

char *event_json(const struct event *e)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	json_object_object_add(o, "sequence", json_object_new_uint64(e->sequence));
	json_add_time(o, "time", e->time_ms);
	json_object_object_add(o, "time_ms", json_object_new_int64(e->time_ms));
	json_add_text(o, "severity", event_severity_names[event_kind_severity(e->kind)]);
	json_add_text(o, "kind", event_kind_name(e->kind));
	json_add_text(o, "host", e->host);
	if (e->guest[0])
		json_add_text(o, "guest", e->guest);
	if (e->checkpoint)
		json_object_object_add(o, "checkpoint", json_object_new_uint64(e->checkpoint));
	json_add_text(o, "text", e->sentence);
	json_object_object_add(o, "fields", fields_json(e));
	const char *text = json_object_to_json_string_ext(
		o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = text ? strdup(text) : NULL;
	json_object_put(o);
	return copy;
}

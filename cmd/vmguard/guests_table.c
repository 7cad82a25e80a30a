/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *	GUEST     STATE       CHECKPOINT    PAUSE     MEMORY    RATE
 *	web1      watching    3s / 10s      12.3 ms   4.0 GiB   1.2 MiB/s
 *	db        down        4m / 10s      54.0 ms   16.0 GiB  -
 *	  restarted 3 times within 3600 s, its policy allows 3; see why it dies, then start it
 */
#include "guests_table.h"

#include <inttypes.h>
#include <string.h>

#include "daemon.h"

enum {
	AGE_BYTES = 24,
	AGES_BYTES = 2 * AGE_BYTES + 4,
	NAME_COLUMNS_MIN = 5,
	NAME_COLUMNS_MAX = 23,
	WHY_COLUMNS = 78
};

#define RED "\033[31m"
#define YELLOW "\033[33m"
#define GREEN "\033[32m"
#define PLAIN "\033[0m"

/* "850ms", "4s", "3m", "2h", "5d": two digits are enough to see whether it is well. */
static const char *format_age(int64_t ms, char text[AGE_BYTES])
{
	if (ms < 1000)
		snprintf(text, AGE_BYTES, "%" PRId64 "ms", ms);
	else if (ms < 100 * 1000)
		snprintf(text, AGE_BYTES, "%" PRId64 "s", ms / 1000);
	else if (ms < 60 * 60000)
		snprintf(text, AGE_BYTES, "%" PRId64 "m", ms / 60000);
	else if (ms < 48 * INT64_C(3600000))
		snprintf(text, AGE_BYTES, "%" PRId64 "h", ms / 3600000);
	else
		snprintf(text, AGE_BYTES, "%" PRId64 "d", ms / INT64_C(86400000));
	return text;
}

static const char *format_ages(struct json_object *guest, char text[AGES_BYTES])
{
	char age[AGE_BYTES] = "none", interval[AGE_BYTES];

	if (answer_has(guest, "age_ms"))
		format_age(answer_number(guest, "age_ms"), age);
	snprintf(text, AGES_BYTES, "%s / %s", age,
		 format_age(answer_number(guest, "interval_ms"), interval));
	return text;
}

static const char *format_pause(struct json_object *checkpoint, char text[24])
{
	struct json_object *pause = json_object_object_get(checkpoint, "pause_ms");

	if (pause)
		snprintf(text, 24, "%.1f ms", json_object_get_double(pause));
	else
		snprintf(text, 24, "-");
	return text;
}

/* What a checkpoint costs the store while nothing else happens. */
static const char *format_rate(struct json_object *guest, struct json_object *checkpoint,
			       char text[24])
{
	int64_t interval_ms = answer_number(guest, "interval_ms");
	char bytes[16];

	if (!checkpoint || !interval_ms)
		snprintf(text, 24, "-");
	else
		snprintf(
			text, 24, "%s/s",
			format_bytes((uint64_t)((double)answer_number(checkpoint, "bytes_written") *
						1000 / (double)interval_ms),
				     bytes));
	return text;
}

static bool is_one_of(const char *state, const char *const *states)
{
	while (*states && strcmp(*states, state) != 0)
		states++;
	return *states;
}

bool guest_needs_help(struct json_object *guest)
{
	static const char *const bad[] = {"down", "failing", "lost", NULL};

	return is_one_of(answer_text(guest, "state"), bad) ||
	       json_object_get_boolean(json_object_object_get(guest, "late"));
}

static const char *colour_of(struct json_object *guest, bool colours)
{
	static const char *const idle[] = {"absent", "stopped", NULL};
	static const char *const odd[] = {"refused", "continuing", "settling", NULL};
	const char *state = answer_text(guest, "state");

	if (!colours || is_one_of(state, idle))
		return "";
	if (guest_needs_help(guest))
		return RED;
	return is_one_of(state, odd) ? YELLOW : GREEN;
}

static int name_columns(struct json_object *guests)
{
	size_t most = NAME_COLUMNS_MIN;

	for (size_t i = 0; i < json_object_array_length(guests); i++) {
		struct json_object *guest = json_object_array_get_idx(guests, i);
		size_t length = strlen(answer_text(guest, "name"));

		most = length > most ? length : most;
	}
	return most > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : (int)most;
}

static void print_row(FILE *out, struct json_object *guest, int columns, bool colours)
{
	struct json_object *checkpoint = json_object_object_get(guest, "checkpoint");
	const char *name = answer_text(guest, "name"), *colour = colour_of(guest, colours);
	char ages[AGES_BYTES], pause[24], size[16] = "-", rate[24];

	if (checkpoint)
		format_bytes((uint64_t)answer_number(checkpoint, "memory_bytes"), size);
	/* of a name that is too long its end tells most */
	if (strlen(name) > (size_t)columns)
		fprintf(out, "~%-*s", columns - 1, name + strlen(name) - (columns - 1));
	else
		fprintf(out, "%-*s", columns, name);
	fprintf(out, "  %s%-10s%s  %-11s  %-8s  %-9s  %s\n", colour, answer_text(guest, "state"),
		*colour ? PLAIN : "", format_ages(guest, ages), format_pause(checkpoint, pause),
		size, format_rate(guest, checkpoint, rate));
	if (guest_needs_help(guest) && *answer_text(guest, "why"))
		fprintf(out, "  %.*s\n", WHY_COLUMNS, answer_text(guest, "why"));
}

void guests_table_print(FILE *out, struct json_object *list, bool colours)
{
	struct json_object *guests = json_object_object_get(list, "guests");
	size_t count = guests ? json_object_array_length(guests) : 0;

	if (!count) {
		fprintf(out, "no guest is protected: 'vmguard protect NAME' begins\n");
		return;
	}
	int columns = name_columns(guests);
	fprintf(out, "%-*s  %-10s  %-11s  %-8s  %-9s  %s\n", columns, "GUEST", "STATE",
		"CHECKPOINT", "PAUSE", "MEMORY", "RATE");
	for (size_t i = 0; i < count; i++)
		print_row(out, json_object_array_get_idx(guests, i), columns, colours);
}

/* ---- one guest ------------------------------------------------------------------------------ */

static void print_checkpoint(FILE *out, struct json_object *guest)
{
	struct json_object *c = json_object_object_get(guest, "checkpoint");
	char ages[AGES_BYTES], pause[24], bytes[16], when[32];

	fprintf(out, "  interval    %s (age / interval)%s\n", format_ages(guest, ages),
		json_object_get_boolean(json_object_object_get(guest, "late")) ? ", late" : "");
	if (!c)
		return;
	fprintf(out, "  checkpoint  %" PRId64 " of %s, pause %s, %s written\n",
		answer_number(c, "number"), answer_time(c, "time", when), format_pause(c, pause),
		format_bytes((uint64_t)answer_number(c, "bytes_written"), bytes));
	fprintf(out, "  memory      %s\n",
		format_bytes((uint64_t)answer_number(c, "memory_bytes"), bytes));
}

void guest_print(FILE *out, struct json_object *guest, bool colours)
{
	const char *colour = colour_of(guest, colours);
	const char *domain = answer_text(guest, "domain");
	char since[32];

	fprintf(out, "%s\n  state       %s%s%s since %s\n", answer_text(guest, "name"), colour,
		answer_text(guest, "state"), *colour ? PLAIN : "",
		answer_time(guest, "since", since));
	if (*answer_text(guest, "why"))
		fprintf(out, "  why         %s\n", answer_text(guest, "why"));
	fprintf(out, "  %s      %s\n", *domain ? "domain" : "qmp   ",
		*domain ? domain : answer_text(guest, "qmp"));
	print_checkpoint(out, guest);
	fprintf(out,
		"  captures    %" PRId64 ", %" PRId64 " failed, %" PRId64 " refused, %" PRId64
		" ticks missed\n",
		answer_number(guest, "captures"), answer_number(guest, "captures_failed"),
		answer_number(guest, "captures_refused"), answer_number(guest, "slips"));
	fprintf(out, "  restarts    %" PRId64 ", on failure: %s\n",
		answer_number(guest, "restarts"), answer_text(guest, "on_failure"));
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A memory stream grows as it is written; whether that went well is asked once, at the end. One bad
 * byte would cost the whole answer: Prometheus takes all of it or none.
 */
#include "vmguard/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmguard/utf8.h"

enum { NUMBER_BYTES = 32 };

struct metrics {
	FILE *out;
	char *text;
	size_t bytes;
	const char *family;
	bool failed;
};

/* ---- histograms ---------------------------------------------------------------------------- */

void histogram_init(struct histogram *h, const double *bounds, size_t count)
{
	assert(count <= HISTOGRAM_BOUNDS_MAX);
	*h = (struct histogram){.bounds = bounds, .count = count};
}

void histogram_add(struct histogram *h, double value)
{
	size_t i = 0;

	while (i < h->count && value > h->bounds[i])
		i++;
	h->samples[i]++;
	h->sum += value;
}

/* ---- the text ------------------------------------------------------------------------------ */

struct metrics *metrics_new(void)
{
	struct metrics *m = calloc(1, sizeof(*m));

	if (m && !(m->out = open_memstream(&m->text, &m->bytes))) {
		free(m);
		m = NULL;
	}
	return m;
}

void metrics_free(struct metrics *m)
{
	if (!m)
		return;
	fclose(m->out);
	free(m->text);
	free(m);
}

/* Not ferror(): a memory stream does not set it where there was no memory. */
__attribute__((format(printf, 2, 3))) static void put(struct metrics *m, const char *format, ...)
{
	va_list arguments;

	if (m->failed)
		return;
	va_start(arguments, format);
	m->failed = vfprintf(m->out, format, arguments) < 0;
	va_end(arguments);
}

void metrics_family(struct metrics *m, const char *name, enum metric_type type, const char *help)
{
	static const char *const types[] = {"gauge", "counter", "histogram"};

	m->family = name;
	put(m, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

/* How much of a value may stand there as it is. */
static int plain_bytes(const char *value)
{
	const char *end = value;

	for (size_t bytes; *end && !strchr("\\\n\"", *end); end += bytes) {
		bytes = utf8_character(end);
		if (!bytes)
			break;
	}
	return (int)(end - value);
}

static void put_value(struct metrics *m, const char *value)
{
	for (;; value++) {
		int bytes = plain_bytes(value);

		put(m, "%.*s", bytes, value);
		value += bytes;
		if (!*value)
			return;
		if (*value == '\n')
			put(m, "\\n");
		else if (*value == '"' || *value == '\\')
			put(m, "\\%c", *value);
		else
			put(m, "?");
	}
}

static void put_labels(struct metrics *m, const struct metric_label *labels)
{
	if (!labels || !labels->name)
		return;
	for (const struct metric_label *l = labels; l->name; l++) {
		put(m, "%c%s=\"", l == labels ? '{' : ',', l->name);
		put_value(m, l->value);
		put(m, "\"");
	}
	put(m, "}");
}

/* The shortest form that reads as the same value. */
static const char *number_text(double value, char text[NUMBER_BYTES])
{
	if (isnan(value))
		return "NaN"; /* never "-nan", which is not read */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, NUMBER_BYTES, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return text;
}

void metrics_number(struct metrics *m, const struct metric_label *labels, double value)
{
	char text[NUMBER_BYTES];

	put(m, "%s", m->family);
	put_labels(m, labels);
	put(m, " %s\n", number_text(value, text));
}

void metrics_histogram(struct metrics *m, const struct histogram *h)
{
	char text[NUMBER_BYTES];
	uint64_t below = 0;

	for (size_t i = 0; i <= h->count; i++) {
		below += h->samples[i];
		put(m, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", m->family,
		    i < h->count ? number_text(h->bounds[i], text) : "+Inf", below);
	}
	put(m, "%s_sum %s\n", m->family, number_text(h->sum, text));
	put(m, "%s_count %" PRIu64 "\n", m->family, below);
}

const char *metrics_text(struct metrics *m)
{
	return fflush(m->out) == 0 && !m->failed ? m->text : NULL;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A memory stream grows as it is written; whether that went well is asked once, at the end. */
#include "vmguard/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct metrics {
	FILE *out;
	char *text;
	size_t bytes;
	const char *family;
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

void metrics_family(struct metrics *m, const char *name, enum metric_type type, const char *help)
{
	static const char *const types[] = {"gauge", "counter", "histogram"};

	m->family = name;
	fprintf(m->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

static void write_value(FILE *out, const char *value)
{
	for (; *value; value++)
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
}

static void write_labels(FILE *out, const struct metric_label *labels)
{
	if (!labels || !labels->name)
		return;
	for (const struct metric_label *l = labels; l->name; l++) {
		fprintf(out, "%c%s=\"", l == labels ? '{' : ',', l->name);
		write_value(out, l->value);
		fputc('"', out);
	}
	fputc('}', out);
}

/* Counts stay exact as long as a double has them. */
static void write_number(FILE *out, double value)
{
	bool is_whole = value > -1e15 && value < 1e15 && value == (double)(int64_t)value;

	if (is_whole)
		fprintf(out, " %.0f\n", value);
	else
		fprintf(out, " %.12g\n", value);
}

void metrics_number(struct metrics *m, const struct metric_label *labels, double value)
{
	fputs(m->family, m->out);
	write_labels(m->out, labels);
	write_number(m->out, value);
}

void metrics_histogram(struct metrics *m, const struct histogram *h)
{
	uint64_t below = 0;

	for (size_t i = 0; i <= h->count; i++) {
		below += h->samples[i];
		fprintf(m->out, "%s_bucket{le=\"", m->family);
		if (i < h->count)
			fprintf(m->out, "%g", h->bounds[i]);
		else
			fputs("+Inf", m->out);
		fprintf(m->out, "\"} %" PRIu64 "\n", below);
	}
	fprintf(m->out, "%s_sum", m->family);
	write_number(m->out, h->sum);
	fprintf(m->out, "%s_count %" PRIu64 "\n", m->family, below);
}

const char *metrics_text(struct metrics *m)
{
	return fflush(m->out) == 0 && !ferror(m->out) ? m->text : NULL;
}

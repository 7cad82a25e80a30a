/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Figures in Prometheus' text format, version 0.0.4:
 *
 *	metrics_family(m, "vmguard_guests", METRIC_GAUGE, "Protected guests");
 *	metrics_number(m, LABELS({"state", "watching"}), 3);
 *
 * Names and units are as Prometheus' guide wants them: base units, _total for what only rises.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

struct metric_label {
	const char *name, *value; /* the value is escaped here; what is no UTF-8 becomes "?" */
};

/* Of a sample; ended by one without a name. */
#define LABELS(...) ((const struct metric_label[]){__VA_ARGS__, {NULL, NULL}})

enum { HISTOGRAM_BOUNDS_MAX = 15 };

/* Fixed size, set up by histogram_init(). */
struct histogram {
	const double *bounds;			    /* rising; static */
	size_t count;				    /* of bounds */
	uint64_t samples[HISTOGRAM_BOUNDS_MAX + 1]; /* not cumulated; the last one is above all */
	double sum;
};

void histogram_init(struct histogram *h, const double *bounds, size_t count);
void histogram_add(struct histogram *h, double value);

struct metrics;

struct metrics *metrics_new(void);    /* NULL: no memory */
void metrics_free(struct metrics *m); /* accepts NULL */

/* What follows belongs to it, until the next one. Each name comes once. */
void metrics_family(struct metrics *m, const char *name, enum metric_type type, const char *help);
/* labels NULL: none. */
void metrics_number(struct metrics *m, const struct metric_label *labels, double value);
void metrics_histogram(struct metrics *m, const struct histogram *h);

/* All of it, valid until the next call; NULL: there was no memory for it. */
const char *metrics_text(struct metrics *m);

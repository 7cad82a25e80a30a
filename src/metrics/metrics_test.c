/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const double seconds[] = {.01, .1, 1};

START_TEST(a_family_is_described_once)
{
	struct metrics *m = metrics_new();

	metrics_family(m, "vmguard_guests", METRIC_GAUGE, "Protected guests");
	metrics_number(m, LABELS({"state", "down"}), 0);
	metrics_number(m, LABELS({"state", "watching"}, {"host", "a"}), 3);
	metrics_family(m, "vmguard_start_time_seconds", METRIC_GAUGE, "Since when");
	metrics_number(m, NULL, 1763913600.125);
	ck_assert_str_eq(metrics_text(m), "# HELP vmguard_guests Protected guests\n"
					  "# TYPE vmguard_guests gauge\n"
					  "vmguard_guests{state=\"down\"} 0\n"
					  "vmguard_guests{state=\"watching\",host=\"a\"} 3\n"
					  "# HELP vmguard_start_time_seconds Since when\n"
					  "# TYPE vmguard_start_time_seconds gauge\n"
					  "vmguard_start_time_seconds 1763913600.12\n");
	metrics_free(m);
}
END_TEST

START_TEST(values_of_labels_are_escaped)
{
	struct metrics *m = metrics_new();

	metrics_family(m, "x", METRIC_COUNTER, "y");
	metrics_number(m, LABELS({"guest", "a\"b\\c\nd"}), 1);
	ck_assert_ptr_nonnull(strstr(metrics_text(m), "x{guest=\"a\\\"b\\\\c\\nd\"} 1\n"));
	metrics_free(m);
}
END_TEST

START_TEST(counts_stay_exact)
{
	struct metrics *m = metrics_new();

	metrics_family(m, "bytes_total", METRIC_COUNTER, "y");
	metrics_number(m, NULL, 999999999999999.0);
	ck_assert_ptr_nonnull(strstr(metrics_text(m), "bytes_total 999999999999999\n"));
	metrics_free(m);
}
END_TEST

START_TEST(buckets_are_cumulated)
{
	struct metrics *m = metrics_new();
	struct histogram h;

	histogram_init(&h, seconds, 3);
	histogram_add(&h, .01); /* a bound belongs to its bucket */
	histogram_add(&h, .5);
	histogram_add(&h, 7);
	metrics_family(m, "pause_seconds", METRIC_HISTOGRAM, "Pauses");
	metrics_histogram(m, &h);
	ck_assert_ptr_nonnull(strstr(metrics_text(m), "pause_seconds_bucket{le=\"0.01\"} 1\n"
						      "pause_seconds_bucket{le=\"0.1\"} 1\n"
						      "pause_seconds_bucket{le=\"1\"} 2\n"
						      "pause_seconds_bucket{le=\"+Inf\"} 3\n"
						      "pause_seconds_sum 7.51\n"
						      "pause_seconds_count 3\n"));
	metrics_free(m);
}
END_TEST

UNIT_MAIN("metrics", a_family_is_described_once, values_of_labels_are_escaped, counts_stay_exact,
	  buckets_are_cumulated)

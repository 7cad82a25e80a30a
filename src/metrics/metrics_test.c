/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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
					  "vmguard_start_time_seconds 1763913600.125\n");
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

START_TEST(what_is_no_utf8_costs_only_itself)
{
	struct metrics *m = metrics_new();

	metrics_family(m, "x", METRIC_GAUGE, "y");
	metrics_number(m, LABELS({"guest", "\xff G\xc3\xa4ste \xc3"}), 1);
	ck_assert_ptr_nonnull(strstr(metrics_text(m), "x{guest=\"? G\xc3\xa4ste ?\"} 1\n"));
	metrics_free(m);
}
END_TEST

START_TEST(numbers_are_exact_and_short)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {
		{0.1, " 0.1\n"},      {0.1 + 0.2, " 0.30000000000000004\n"},
		{-2.5, " -2.5\n"},    {9007199254740991, " 9007199254740991\n"},
		{1e300, " 1e+300\n"}, {-NAN, " NaN\n"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct metrics *m = metrics_new();

		metrics_family(m, "x", METRIC_GAUGE, "y");
		metrics_number(m, NULL, cases[i].value);
		ck_assert_ptr_nonnull(strstr(metrics_text(m), cases[i].text));
		metrics_free(m);
	}
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

START_TEST(no_memory_is_told_at_the_end)
{
	static char label[1 << 20];
	struct rlimit before, none;

	if (SANITIZED)
		return; /* it reserves terabytes */
	memset(label, 'x', sizeof(label) - 1);
	struct metrics *m = metrics_new();
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &before), 0);
	none = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = before.rlim_max};
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
	metrics_family(m, "x", METRIC_GAUGE, "y");
	for (int i = 0; i < 8; i++)
		metrics_number(m, LABELS({"guest", label}), i);
	const char *text = metrics_text(m);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
	ck_assert_ptr_null(text);
	metrics_free(m);
}
END_TEST

/* Prometheus' own reader, where it is installed. */
START_TEST(prometheus_reads_it)
{
	struct metrics *m = metrics_new();
	struct histogram h;

	if (system("command -v promtool >/dev/null") != 0) { // NOLINT(bugprone-command-processor)
		printf("# not read by promtool, which is not installed\n");
		metrics_free(m);
		return;
	}
	histogram_init(&h, seconds, 3);
	histogram_add(&h, .7);
	metrics_family(m, "vmguard_events_total", METRIC_COUNTER, "What happened");
	metrics_number(m, LABELS({"kind", "a \"b\" \\ c\nd"}, {"guest", "\xff"}), 7);
	metrics_family(m, "vmguard_age_seconds", METRIC_GAUGE, "Of the last one");
	metrics_number(m, LABELS({"guest", "none"}), 1e-300);
	metrics_number(m, LABELS({"guest", "all"}), -NAN);
	metrics_number(m, LABELS({"guest", "one"}), -INFINITY);
	metrics_family(m, "vmguard_pause_seconds", METRIC_HISTOGRAM, "Pauses");
	metrics_histogram(m, &h);
	FILE *tool =
		popen("promtool check metrics >&2", "we"); // NOLINT(bugprone-command-processor)
	ck_assert_ptr_nonnull(tool);
	ck_assert_int_ge(fputs(metrics_text(m), tool), 0);
	ck_assert_int_eq(pclose(tool), 0);
	metrics_free(m);
}
END_TEST

UNIT_MAIN("metrics", a_family_is_described_once, values_of_labels_are_escaped,
	  what_is_no_utf8_costs_only_itself, numbers_are_exact_and_short, counts_stay_exact,
	  buckets_are_cumulated, no_memory_is_told_at_the_end, prometheus_reads_it)

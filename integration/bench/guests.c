/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guests FOLDER GUESTS SECONDS: what the daemon itself needs for so many protected guests with an
 * interval of 10 s, whose captures take 200 ms each. It runs as ever, with its API and its policies
 * in a store, but reaches no guest (guests_fake.c). Prints one object.
 */
#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "guest.h"
#include "guests_fake.h"
#include "vmguard/client.h"
#include "vmguard/clock.h"
#include "vmguard/json_add.h"

enum { INTERVAL_MS = 10000, CAPTURE_MS = 200, SETTLE_S = 20, ASKS_MAX = 10000, ASK_EVERY_MS = 200 };

static struct daemon d;
static unsigned guests, seconds;

static void die(const struct fault *f)
{
	fprintf(stderr, "guests: %s\n", f->text);
	exit(1);
}

static void protect_all(void)
{
	auto_of(store_close) struct store *s = NULL;
	struct fault f;

	if (store_open(d.config.store, &s, &f) < 0)
		die(&f);
	for (unsigned i = 0; i < guests; i++) {
		struct policy p;
		char name[32];

		snprintf(name, sizeof(name), "guest-%04u", i);
		policy_init(&p);
		p.interval_ms = INTERVAL_MS;
		if (policy_set(&p, "domain", name, &f) < 0 || policy_save(s, name, &p, &f) < 0)
			die(&f);
	}
}

/* ---- measuring, in a thread ----------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The 50th and 99th of a hundred, and the most. */
static void add_quantiles(struct json_object *o, const char *name, int64_t *values, size_t count)
{
	struct json_object *all = json_object_new_object();

	if (count)
		qsort(values, count, sizeof(*values), by_number);
	json_add_number(all, "median", count ? values[count / 2] : 0);
	json_add_number(all, "p99", count ? values[count * 99 / 100] : 0);
	json_add_number(all, "most", count ? values[count - 1] : 0);
	json_object_object_add(o, name, all);
}

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000) + u.ru_utime.tv_usec +
	       u.ru_stime.tv_usec;
}

static uint64_t rss_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	uint64_t size, pages = 0;

	if (file && fscanf(file, "%" SCNu64 " %" SCNu64, &size, &pages) != 2)
		pages = 0;
	if (file)
		fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static unsigned descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	while (folder && readdir(folder))
		count++;
	if (folder)
		closedir(folder);
	return count;
}

static int64_t ask(struct client *c, const char *path, char **text)
{
	int64_t began_us = clock_us(CLOCK_MONOTONIC);
	struct fault f;

	if (client_text(c, path, text, &f) < 0)
		die(&f);
	return clock_us(CLOCK_MONOTONIC) - began_us;
}

static void add_ages(struct json_object *o, const char *text)
{
	struct json_object *answer = json_tokener_parse(text);
	struct json_object *all = json_object_object_get(answer, "guests");
	size_t count = json_object_array_length(all);
	int64_t *ages = calloc(count + 1, sizeof(*ages));
	uint64_t slips = 0;

	for (size_t i = 0; i < count; i++) {
		struct json_object *g = json_object_array_get_idx(all, i);

		ages[i] = json_object_get_int64(json_object_object_get(g, "age_ms"));
		slips += json_object_get_uint64(json_object_object_get(g, "slips"));
	}
	json_add_number(o, "guests", count);
	add_quantiles(o, "age_ms", ages, count);
	json_add_number(o, "slips", slips);
	free(ages);
	json_object_put(answer);
}

static void *measure(void *unused)
{
	const struct client_options options = {.socket = d.config.socket};
	static int64_t guests_us[ASKS_MAX], metrics_us[ASKS_MAX], host_us[ASKS_MAX];
	struct json_object *o = json_object_new_object();
	auto_of(client_close) struct client *c = NULL;
	struct fault f;
	char *text;
	size_t asks = 0;

	sleep(SETTLE_S);
	if (client_open(&options, &c, &f) < 0)
		die(&f);
	int64_t began_us = clock_us(CLOCK_MONOTONIC), busy_us = cpu_us();
	uint64_t rss = rss_bytes();
	while (clock_us(CLOCK_MONOTONIC) - began_us < seconds * INT64_C(1000000)) {
		sleep_us(ASK_EVERY_MS * 1000);
		host_us[asks % ASKS_MAX] = ask(c, "/v1/host", &text);
		free(text);
		asks++;
	}
	busy_us = cpu_us() - busy_us;
	int64_t wall_us = clock_us(CLOCK_MONOTONIC) - began_us;
	for (size_t i = 0; i < 20; i++) {
		metrics_us[i] = ask(c, "/metrics", &text);
		free(text);
		guests_us[i] = ask(c, "/v1/guests", &text);
		if (i == 19)
			add_ages(o, text);
		free(text);
	}
	json_object_object_add(o, "cpu_percent",
			       json_object_new_double(100.0 * (double)busy_us / (double)wall_us));
	json_add_number(o, "rss_bytes", rss_bytes());
	json_add_number(o, "rss_bytes_at_first", rss);
	json_add_number(o, "descriptors", descriptors());
	add_quantiles(o, "get_host_us", host_us, asks < ASKS_MAX ? asks : ASKS_MAX);
	add_quantiles(o, "get_guests_us", guests_us, 20);
	add_quantiles(o, "get_metrics_us", metrics_us, 20);
	printf("%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	kill(getpid(), SIGTERM);
	return unused;
}

/* ---- the daemon ----------------------------------------------------------------------------- */

static void configure(const char *folder)
{
	struct config *c = &d.config;
	struct fault f;

	if (config_read("/nonexistent", NULL, c, &f) < 0)
		die(&f);
	policy_init(&d.defaults);
	snprintf(d.host, sizeof(d.host), "bench");
	snprintf(c->store, sizeof(c->store), "dir:%s/store", folder);
	snprintf(c->socket, sizeof(c->socket), "%s/socket", folder);
	snprintf(c->run_directory, sizeof(c->run_directory), "%s", folder);
	snprintf(c->state_directory, sizeof(c->state_directory), "%s", folder);
	c->captures_per_host = c->captures_per_store = 64;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	sigset_t set;
	struct fault f;

	if (argc != 4 || !(guests = (unsigned)atoi(argv[2])) ||
	    !(seconds = (unsigned)atoi(argv[3])))
		return fprintf(stderr, "usage: guests FOLDER GUESTS SECONDS\n"), 2;
	configure(argv[1]);
	fake_capture_ms = CAPTURE_MS;
	protect_all();
	sigemptyset(&set);
	sigaddset(&set, SIGTERM); /* the loop's, which reads it from a descriptor */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&thread, NULL, measure, NULL))
		return 1;
	if (daemon_run(&d, &f) < 0)
		die(&f);
	pthread_join(thread, NULL);
	return 0;
}

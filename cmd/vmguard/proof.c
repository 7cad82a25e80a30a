/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proof.h"

#include <errno.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/clock.h"
#include "vmguard/guest_agent.h"

enum {
	TEXT_BYTES = 16384, /* of the console, in which it is looked for */
	READ_MS = 200,
	AGAIN_US = 200000,
	WAIT_MS = 50,
	LATE_MS = 15000, /* that a call may take longer than its time */
};

/* Two have it: the thread, and who waits; the last one frees it. */
struct proof {
	pthread_mutex_t mutex; /* guards what follows, up to the blank line */
	int refs;
	bool over, stop;
	struct proof_result result;

	bool started; /* the waiter's */
	pthread_t thread;
	struct libvirt_domain domain; /* without its XML */
	char *uri, *expect;
	regex_t pattern;
	int64_t limit_ms, until_ms;
	char text[TEXT_BYTES]; /* the thread's */
	size_t length;
};

static void unref(struct proof *p)
{
	pthread_mutex_lock(&p->mutex);
	bool last = --p->refs == 0;
	pthread_mutex_unlock(&p->mutex);
	if (!last)
		return;
	if (p->expect)
		regfree(&p->pattern);
	pthread_mutex_destroy(&p->mutex);
	free(p->expect);
	free(p->uri);
	free(p);
}

static bool is_over(struct proof *p)
{
	pthread_mutex_lock(&p->mutex);
	bool stop = p->stop;
	pthread_mutex_unlock(&p->mutex);
	return stop || monotonic_ms() >= p->until_ms;
}

static void set_alive(struct proof *p)
{
	pthread_mutex_lock(&p->mutex);
	p->result.alive = true;
	p->result.at_ms = monotonic_ms();
	pthread_mutex_unlock(&p->mutex);
}

static void note_fault(struct proof *p, const struct fault *f)
{
	pthread_mutex_lock(&p->mutex);
	p->result.fault = *f;
	pthread_mutex_unlock(&p->mutex);
}

/* ---- the guest agent --------------------------------------------------------------------- */

static int ask_agent(struct proof *p, struct fault *f)
{
	auto_of(guest_agent_close) struct guest_agent *agent = NULL;
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	int r = hypervisor_open_libvirt(p->domain.uri, p->domain.uuid, &h, f);

	if (!r)
		r = h->ops->agent(h, &agent, f);
	if (!r)
		r = guest_agent_ping(agent, f);
	return r;
}

static void wait_for_agent(struct proof *p)
{
	struct fault f;

	while (!is_over(p)) {
		if (ask_agent(p, &f) == 0) {
			set_alive(p);
			return;
		}
		note_fault(p, &f);
		sleep_us(AGAIN_US);
	}
}

/* ---- its console ------------------------------------------------------------------------- */

/* The line that has something in it, and was begun last. */
static void note_last_line(struct proof *p)
{
	const char *end = p->text + p->length;

	while (end > p->text && strchr("\r\n ", end[-1]))
		end--;
	const char *begin = end;
	while (begin > p->text && begin[-1] != '\n')
		begin--;
	pthread_mutex_lock(&p->mutex);
	snprintf(p->result.seen, sizeof(p->result.seen), "%.*s", (int)(end - begin), begin);
	for (char *c = p->result.seen; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	pthread_mutex_unlock(&p->mutex);
}

/* What is older than half of the room is forgotten. */
static void make_room(struct proof *p)
{
	size_t half = sizeof(p->text) / 2;

	if (p->length < sizeof(p->text) - 1)
		return;
	memmove(p->text, p->text + half, p->length - half);
	p->length -= half;
}

static int read_some(struct proof *p, struct libvirt_console *c, struct fault *f)
{
	make_room(p);
	char *at = p->text + p->length;
	int r = libvirt_console_read(c, at, sizeof(p->text) - 1 - p->length, READ_MS, f);
	if (r <= 0)
		return r;
	/* The end of a line, to the expression, is \n alone. */
	for (int i = 0; i < r; i++)
		if (at[i] && at[i] != '\r')
			p->text[p->length++] = at[i];
	p->text[p->length] = '\0';
	note_last_line(p);
	return r;
}

static int watch_console(struct proof *p, struct fault *f)
{
	auto_of(libvirt_console_close) struct libvirt_console *c = NULL;
	int r = libvirt_console_open(&p->domain, &c, f);

	while (r >= 0 && !is_over(p)) {
		r = read_some(p, c, f);
		if (r > 0 && regexec(&p->pattern, p->text, 0, NULL, 0) == 0) {
			set_alive(p);
			return 0;
		}
	}
	return r < 0 ? r : 0;
}

/* ---- the thread -------------------------------------------------------------------------- */

static void *run(void *proof)
{
	struct proof *p = proof;
	struct fault f;

	if (!p->expect)
		wait_for_agent(p);
	else if (watch_console(p, &f) < 0)
		note_fault(p, &f);
	pthread_mutex_lock(&p->mutex);
	p->over = true;
	pthread_mutex_unlock(&p->mutex);
	unref(p);
	return NULL;
}

int proof_new(const char *expect, int64_t limit_ms, struct proof **p, struct fault *f)
{
	struct proof *made = calloc(1, sizeof(*made));
	char why[128];

	if (!made || (expect && !(made->expect = strdup(expect)))) {
		free(made);
		return fault_errno(f, -ENOMEM, "wait for a guest");
	}
	int r = expect ? regcomp(&made->pattern, expect, REG_EXTENDED | REG_NOSUB | REG_NEWLINE)
		       : 0;
	if (r) {
		regerror(r, &made->pattern, why, sizeof(why));
		free(made->expect);
		free(made);
		return fault_set(f, -EINVAL, "--expect %s: %s", expect, why);
	}
	pthread_mutex_init(&made->mutex, NULL);
	made->refs = 1;
	made->limit_ms = limit_ms;
	*p = made;
	return 0;
}

void proof_start(struct proof *p, const struct libvirt_domain *d)
{
	if (p->started)
		return;
	p->domain = *d;
	p->domain.xml = NULL;
	p->domain.uri = p->uri = d->uri ? strdup(d->uri) : NULL;
	p->until_ms = monotonic_ms() + p->limit_ms;
	p->refs++;
	int r = pthread_create(&p->thread, NULL, run, p);
	p->started = !r;
	if (!r)
		return;
	p->refs--;
	fault_errno(&p->result.fault, -r, "start a thread");
}

struct proof_result proof_wait(struct proof *p, const volatile int *stop)
{
	struct proof_result result;
	bool over;

	do {
		pthread_mutex_lock(&p->mutex);
		over = p->over || !p->started;
		result = p->result;
		pthread_mutex_unlock(&p->mutex);
		if (!over)
			sleep_us(WAIT_MS * 1000);
	} while (!over && !*stop && monotonic_ms() < p->until_ms + LATE_MS);
	return result;
}

void proof_free(struct proof *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	bool over = p->over;
	p->stop = true;
	pthread_mutex_unlock(&p->mutex);
	if (over)
		pthread_join(p->thread, NULL);
	else if (p->started)
		pthread_detach(p->thread);
	unref(p);
}

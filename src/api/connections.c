/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/connections.h"

#include <stdlib.h>
#include <sys/socket.h>

static void unlink_it(struct connection *c)
{
	struct connections *all = c->all;

	*(c->before ? &c->before->after : &all->first[c->phase]) = c->after;
	*(c->after ? &c->after->before : &all->last[c->phase]) = c->before;
	all->count[c->phase]--;
}

static void append(struct connection *c, enum connection_phase phase, int64_t now_ms)
{
	struct connections *all = c->all;

	c->phase = phase;
	c->since_ms = now_ms;
	c->after = NULL;
	c->before = all->last[phase];
	*(c->before ? &c->before->after : &all->first[phase]) = c;
	all->last[phase] = c;
	all->count[phase]++;
}

void connection_enter(struct connection *c, enum connection_phase phase, int64_t now_ms)
{
	if (c->phase == CONNECTION_CLOSING)
		return;
	unlink_it(c);
	append(c, phase, now_ms);
}

void connection_close(struct connection *c, int64_t now_ms)
{
	shutdown(c->fd, SHUT_RDWR);
	connection_enter(c, CONNECTION_CLOSING, now_ms);
}

unsigned connections_open(const struct connections *all)
{
	unsigned count = 0;

	for (int phase = 0; phase < CONNECTION_CLOSING; phase++)
		count += all->count[phase];
	return count;
}

struct connection *connection_new(struct connections *all, int fd, int64_t now_ms)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->all = all;
	c->fd = fd;
	if (connections_open(all) >= all->max) {
		c->is_beyond = !all->first[CONNECTION_IDLE];
		if (!c->is_beyond) {
			connection_close(all->first[CONNECTION_IDLE], now_ms);
			all->closed_for_room++;
		}
	}
	append(c, CONNECTION_IDLE, now_ms);
	return c;
}

void connection_free(struct connection *c)
{
	if (!c)
		return;
	unlink_it(c);
	free(c);
}

int64_t connections_due_ms(const struct connections *all, int64_t now_ms)
{
	int64_t due_ms = -1;

	for (int phase = 0; phase < CONNECTION_CLOSING; phase++) {
		const struct connection *c = all->first[phase];

		if (!c || !all->limit_ms[phase])
			continue;
		int64_t left_ms = c->since_ms + all->limit_ms[phase] - now_ms;
		if (left_ms < 0)
			left_ms = 0;
		if (due_ms < 0 || left_ms < due_ms)
			due_ms = left_ms;
	}
	return due_ms;
}

void connections_end_late(struct connections *all, int64_t now_ms)
{
	for (int phase = 0; phase < CONNECTION_CLOSING; phase++) {
		struct connection *c;

		while (all->limit_ms[phase] && (c = all->first[phase]) &&
		       now_ms - c->since_ms >= all->limit_ms[phase]) {
			connection_close(c, now_ms);
			all->timed_out++;
		}
	}
}

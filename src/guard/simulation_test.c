/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two days of a host with a thousand guests in a few seconds: captures take as long as chance has
 * it, some fail, guests come and go and die. A wheel of milliseconds has the jobs that are under
 * way.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "unit.h"
#include "vmguard/guard.h"

enum {
	GUESTS = 1000,
	QUIET = 100, /* the first ones: nothing happens to them, but that captures fail */
	INTERVAL_MS = 10000,
	HOUR_MS = 3600 * 1000,
	DURATION_MS = 48 * HOUR_MS,
	CAPTURES_MAX = 32, /* 22 are busy on average */
	STORES = 2,
	STORE_MAX = 20,
	WHEEL = 8192, /* longer than any job */
};

struct guest {
	struct guard guard; /* first */
	char name[16];
	struct guest *next;  /* in its slot of the wheel */
	int64_t previous_ms; /* its last checkpoint, -1: none since it was disturbed */
	unsigned failed;     /* since */
	bool captures, restores, stopped;
};

/* Check writes a record at each of its assertions: too much, a hundred million times. */
#define must(condition)                                 \
	do {                                            \
		if (!(condition))                       \
			ck_abort_msg("%s", #condition); \
	} while (0)

static struct guest guests[GUESTS];
static struct guest *wheel[WHEEL];
static struct schedule_store stores[STORES];
static struct guards *guards;
static int64_t now_ms;
static uint64_t chance_state, transitions, checkpoints, numbers, deaths, downs;
static int64_t oldest_ms;

/* xorshift64*: the same on every machine. */
static unsigned chance(unsigned below)
{
	chance_state ^= chance_state >> 12;
	chance_state ^= chance_state << 25;
	chance_state ^= chance_state >> 27;
	return (chance_state * UINT64_C(2685821657736338717) >> 33) % below;
}

static void begin_job(struct guest *g, int64_t ms)
{
	struct guest **slot = &wheel[(now_ms + ms) % WHEEL];

	must(!g->captures && !g->restores); /* never two jobs of one guest */
	must(ms < WHEEL);
	g->next = *slot;
	*slot = g;
}

static int capture(struct guard_sink *sink, struct guard *guard, struct fault *f)
{
	struct guest *g = (struct guest *)guard;

	(void)sink;
	must(guard->present);
	if (!chance(20000))
		return fault_set(f, -EAGAIN, "no thread");
	begin_job(g, chance(100) ? 50 + chance(300) : 1000 + chance(2000));
	g->captures = true;
	return 0;
}

static void stop_capture(struct guard_sink *sink, struct guard *guard)
{
	struct guest *g = (struct guest *)guard;

	(void)sink;
	must(g->captures);
	g->stopped = true;
}

static int restore(struct guard_sink *sink, struct guard *guard, enum guard_on_failure how,
		   struct fault *f)
{
	struct guest *g = (struct guest *)guard;

	(void)sink, (void)f;
	must(how == GUARD_RESUME);
	must(!guard->present && guard->checkpoint);
	begin_job(g, 100 + chance(4000));
	g->restores = true;
	return 0;
}

static void moved(struct guard_sink *sink, struct guard *guard, const struct guard_transition *t)
{
	(void)sink, (void)guard;
	must(t->from != t->to);
	transitions++;
	downs += t->to == GUARD_DOWN;
}

static void unexpected(struct guard_sink *sink, const struct guard *g, enum guard_event event)
{
	(void)sink;
	ck_abort_msg("%s: %s while %s", g->name, guard_event_name(event),
		     guard_state_name(g->state));
}

static const struct guard_ops ops = {"simulation", capture, stop_capture,
				     restore,	   moved,   unexpected};
static struct guard_sink sink = {&ops};

/* What each state promises. */
static void check_guest(const struct guest *g)
{
	static const struct {
		bool present, job;
		enum schedule_where where;
	} promised[GUARD_STATES] = {
		[GUARD_WATCHING] = {true, false, SCHEDULE_TIMER},
		[GUARD_WAITING] = {true, false, SCHEDULE_QUEUE},
		[GUARD_CAPTURING] = {true, true, SCHEDULE_RUNNING},
		[GUARD_REFUSED] = {true, false, SCHEDULE_TIMER},
		[GUARD_FAILING] = {true, false, SCHEDULE_TIMER},
		[GUARD_LOST] = {false, false, SCHEDULE_TIMER},
		[GUARD_CONTINUING] = {false, true, SCHEDULE_IDLE},
		[GUARD_SETTLING] = {false, true, SCHEDULE_IDLE},
	};
	enum guard_state state = g->guard.state;

	must(g->captures || g->restores == promised[state].job);
	/* With these it may just have come, or be on its way. */
	if (state != GUARD_SETTLING && state != GUARD_CONTINUING && state != GUARD_LOST)
		must(g->guard.present == promised[state].present);
	if (state != GUARD_SETTLING)
		must(g->guard.schedule.where == promised[state].where);
	else
		must(g->guard.schedule.where == (g->captures ? SCHEDULE_RUNNING : SCHEDULE_IDLE));
}

static void add(struct guest *g)
{
	static const struct guard_terms terms = {
		.interval_ms = INTERVAL_MS, .restart_limit = 2, .restart_window_ms = 24 * HOUR_MS};
	struct fault f = {0};

	must(!guard_add(guards, &g->guard, g->name, &terms, &stores[(g - guests) % STORES], now_ms,
			&f));
	g->previous_ms = -1;
	g->failed = 0;
}

static void tell(struct guest *g, enum guard_event event)
{
	const struct guard_news n = {event, event == GUARD_CAPTURED ? ++numbers : 0,
				     event == GUARD_RESTORE_FAILED && !chance(4), "chance"};

	if (event != GUARD_CAPTURED && event != GUARD_CAPTURE_FAILED)
		g->previous_ms = -1;
	guard_tell(&g->guard, &n, now_ms);
	if (g->guard.state == GUARD_UNPROTECTED)
		add(g);
	else
		check_guest(g);
}

/* The oldest that its checkpoint became, before there was this one. */
static void note_age(struct guest *g)
{
	int64_t age_ms = now_ms - g->previous_ms;

	checkpoints++;
	/* Three failures in a row are seven seconds of waiting: no lack of capacity. */
	if (g->previous_ms >= 0 && g->failed < 3 && age_ms > oldest_ms)
		oldest_ms = age_ms;
	g->failed = 0;
	g->previous_ms = g->guard.taken_ms;
}

static void end_capture(struct guest *g)
{
	g->captures = false;
	if (g->stopped || !chance(1000)) {
		g->failed++;
		tell(g, GUARD_CAPTURE_FAILED);
	} else if (g - guests >= QUIET && !chance(5000)) {
		tell(g, GUARD_CAPTURE_REFUSED);
	} else {
		bool watched = g->guard.state == GUARD_CAPTURING;

		tell(g, GUARD_CAPTURED);
		if (watched)
			note_age(g);
	}
	g->stopped = false;
}

static void end_restore(struct guest *g)
{
	bool restored = chance(10) || g->guard.state == GUARD_SETTLING;

	/* libvirt's word may come first, or never */
	if (g->guard.state == GUARD_CONTINUING && chance(2))
		tell(g, GUARD_APPEARED);
	g->restores = false;
	tell(g, restored ? GUARD_RESTORED : GUARD_RESTORE_FAILED);
}

static void end_jobs(void)
{
	struct guest *g = wheel[now_ms % WHEEL];

	wheel[now_ms % WHEEL] = NULL;
	while (g) {
		struct guest *next = g->next;

		if (g->captures)
			end_capture(g);
		else
			end_restore(g);
		g = next;
	}
}

/* Something happens to some guest; one that runs is mostly left alone, so that most do. */
static void disturb(void)
{
	struct guest *g = &guests[QUIET + chance(GUESTS - QUIET)];
	static const enum guard_event ends[] = {GUARD_SHUT_DOWN, GUARD_DESTROYED, GUARD_SAVED,
						GUARD_MIGRATED,	 GUARD_DIED,	  GUARD_DIED};
	bool runs = g->guard.present;

	if (g->guard.state == GUARD_CONTINUING && chance(4))
		return;
	if (!chance(500))
		tell(g, GUARD_REMOVED);
	else if (!runs)
		tell(g, GUARD_APPEARED);
	else if (!chance(10)) {
		enum guard_event event = ends[chance(6)];

		deaths += event == GUARD_DIED;
		tell(g, event);
	}
}

static void begin(void)
{
	struct fault f = {0};

	chance_state = 4242;
	for (int i = 0; i < STORES; i++)
		stores[i] = (struct schedule_store){.limit = STORE_MAX};
	ck_assert_int_eq(guards_open(&sink, CAPTURES_MAX, &guards, &f), 0);
	for (int i = 0; i < GUESTS; i++) {
		snprintf(guests[i].name, sizeof(guests[i].name), "guest%d", i);
		add(&guests[i]);
		tell(&guests[i], GUARD_APPEARED);
	}
}

static void run_until(int64_t end_ms)
{
	for (; now_ms < end_ms; now_ms++) {
		if (wheel[now_ms % WHEEL])
			end_jobs();
		else if (guards_wake_ms(guards) > now_ms)
			continue; /* a slot becomes free, or a timer is over: nothing else can be */
		guards_step(guards, now_ms);
		if (!chance(500))
			disturb();
		must(guards_capturing(guards) <= CAPTURES_MAX);
		for (int i = 0; i < STORES; i++)
			must(stores[i].running <= STORE_MAX);
	}
	for (int i = 0; i < GUESTS; i++)
		check_guest(&guests[i]);
}

static void check_quiet_ones(void)
{
	const uint64_t ticks = DURATION_MS / INTERVAL_MS;

	for (int i = 0; i < QUIET; i++) {
		const struct guard *g = &guests[i].guard;

		ck_assert_uint_ge(g->captures, ticks - ticks / 500);
		ck_assert_uint_le(g->captures, ticks + 1);
		ck_assert_uint_le(g->schedule.missed, ticks / 500);
	}
}

static void end(void)
{
	for (int i = 0; i < GUESTS; i++) {
		struct guest *g = &guests[i];
		const struct guard_news removed = {.event = GUARD_REMOVED};
		struct guard_news over = {.event = g->captures ? GUARD_CAPTURE_FAILED
							       : GUARD_RESTORED};

		guard_tell(&g->guard, &removed, now_ms);
		if (g->guard.state == GUARD_SETTLING)
			guard_tell(&g->guard, &over, now_ms);
		ck_assert_int_eq(g->guard.state, GUARD_UNPROTECTED);
	}
	ck_assert_int_eq(guards_wake_ms(guards), INT64_MAX);
	ck_assert_uint_eq(guards_capturing(guards) + guards_waiting(guards), 0);
	guards_close(guards);
}

START_TEST(a_thousand_guests_for_two_days)
{
	begin();
	run_until(HOUR_MS);
	size_t used = mallinfo2().uordblks;
	run_until(DURATION_MS);
	ck_assert_uint_eq(mallinfo2().uordblks, used);
	ck_assert_int_le(oldest_ms, 2 * INTERVAL_MS);
	ck_assert_uint_gt(deaths, GUESTS);
	ck_assert_uint_gt(downs, 0);
	check_quiet_ones();
	printf("# %" PRIu64 " checkpoints, %" PRIu64 " transitions, %" PRIu64 " deaths, %" PRIu64
	       " times down; the oldest one was of %" PRId64 " ms\n",
	       checkpoints, transitions, deaths, downs, oldest_ms);
	end();
}
END_TEST

UNIT_MAIN("simulation", a_thousand_guests_for_two_days)

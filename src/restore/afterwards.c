/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "restore/afterwards.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Those of the example in QEMU's qapi/net.json: over three seconds, at growing intervals. */
enum {
	ANNOUNCE_ROUNDS = 10,
	ANNOUNCE_INITIAL_MS = 50,
	ANNOUNCE_STEP_MS = 50,
	ANNOUNCE_MAX_MS = 550,
};

const char *clock_outcome_name(enum clock_outcome o)
{
	static const char *const names[] = {
		[CLOCK_PAUSED] = "paused",     [CLOCK_KEPT] = "kept",	  [CLOCK_SET] = "set",
		[CLOCK_NO_AGENT] = "no agent", [CLOCK_FAILED] = "failed",
	};

	return names[o];
}

const char *network_outcome_name(enum network_outcome o)
{
	static const char *const names[] = {
		[NETWORK_PAUSED] = "paused",   [NETWORK_ANNOUNCED] = "announced",
		[NETWORK_NONE] = "no network", [NETWORK_KEPT] = "kept",
		[NETWORK_FAILED] = "failed",
	};

	return names[o];
}

static int has_network(struct hypervisor *h, bool *has, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *text = NULL;

	json_object_object_add(arguments, "command-line", json_object_new_string("info network"));
	int r = hypervisor_execute(h, "human-monitor-command", arguments, &text, f);
	if (r < 0)
		return r;
	*has = strstr(json_object_get_string(text), ",type=nic,") != NULL;
	json_object_put(text);
	return 0;
}

static int announce_self(struct hypervisor *h, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "initial", json_object_new_int(ANNOUNCE_INITIAL_MS));
	json_object_object_add(arguments, "max", json_object_new_int(ANNOUNCE_MAX_MS));
	json_object_object_add(arguments, "rounds", json_object_new_int(ANNOUNCE_ROUNDS));
	json_object_object_add(arguments, "step", json_object_new_int(ANNOUNCE_STEP_MS));
	return hypervisor_execute(h, "announce-self", arguments, NULL, f);
}

static void announce(struct hypervisor *h, struct afterwards *result)
{
	struct fault f = {0};
	bool has = false;
	int r = has_network(h, &has, &f);

	if (!r && has)
		r = announce_self(h, &f);
	result->network = r < 0 ? NETWORK_FAILED : has ? NETWORK_ANNOUNCED : NETWORK_NONE;
	snprintf(result->network_error, sizeof(result->network_error), "%s", f.text);
}

static void keep_clock_outcome(struct afterwards *result, const struct fault *f)
{
	result->clock = !f->code				     ? CLOCK_SET
			: f->code == -ENODEV || f->code == -ENOTCONN ? CLOCK_NO_AGENT
								     : CLOCK_FAILED;
	snprintf(result->clock_error, sizeof(result->clock_error), "%s", f->text);
}

static int set_clock_once(const struct afterwards_work *w, struct fault *f)
{
	auto_of(guest_agent_close) struct guest_agent *agent = NULL;

	if (w->agent)
		return guest_agent_set_time(w->agent, f);
	int r = guest_agent_open(w->agent_path, &agent, f);
	return r < 0 ? r : guest_agent_set_time(agent, f);
}

/* A silence counts only where the guest had all its pages from its beginning on. */
static void *set_clock(void *work)
{
	struct afterwards_work *w = work;
	struct fault f;
	bool last;
	int r;

	do {
		last = w->complete || (w->stop && *w->stop);
		f = (struct fault){0};
		r = set_clock_once(w, &f);
	} while (r == -ETIMEDOUT && !last);
	keep_clock_outcome(w->result, &f);
	return NULL;
}

/* libvirt is connected to the agent where that is there, and nobody else can be. */
static int find_agent(struct afterwards_work *w, struct hypervisor *h, struct fault *f)
{
	int r = guest_agent_find(h, w->agent_path, f);

	if (!h->ops->agent || (r < 0 && r != -EBUSY))
		return r;
	return h->ops->agent(h, &w->agent, f);
}

static void begin_clock(struct afterwards_work *w, struct hypervisor *h)
{
	struct fault f = {0};
	int r = find_agent(w, h, &f);

	if (!r) {
		f = (struct fault){0};
		int error = pthread_create(&w->thread, NULL, set_clock, w);

		w->waits = !error;
		if (error)
			fault_errno(&f, -error, "start a thread for the guest agent");
	}
	if (!w->waits)
		keep_clock_outcome(w->result, &f);
}

static void fail_both(struct afterwards *result, const struct fault *f)
{
	result->network = NETWORK_FAILED;
	result->clock = CLOCK_FAILED;
	snprintf(result->network_error, sizeof(result->network_error), "%s", f->text);
	snprintf(result->clock_error, sizeof(result->clock_error), "%s", f->text);
}

static void begin(struct afterwards_work *w, struct hypervisor *h,
		  const struct restore_options *options)
{
	char state[32];
	struct fault f;
	int r = hypervisor_run_state(h, state, &f);

	if (r < 0)
		return fail_both(w->result, &f);
	if (strcmp(state, "running") != 0)
		return;
	w->result->network = NETWORK_KEPT;
	if (!options->keep_network)
		announce(h, w->result);
	w->result->clock = CLOCK_KEPT;
	if (!options->keep_clock)
		begin_clock(w, h);
}

void afterwards_begin(struct afterwards_work *w, struct hypervisor *h,
		      const struct restore_options *options, struct afterwards *result)
{
	*result = (struct afterwards){0};
	*w = (struct afterwards_work){.result = result, .stop = options->stop};
	begin(w, h, options);
}

void afterwards_end(struct afterwards_work *w)
{
	w->complete = true;
	if (w->waits)
		pthread_join(w->thread, NULL);
	w->waits = false;
	guest_agent_close(give(w->agent));
}

void afterwards_do(struct hypervisor *h, const struct restore_options *options,
		   struct afterwards *result)
{
	struct afterwards_work w;

	afterwards_begin(&w, h, options, result);
	afterwards_end(&w);
}

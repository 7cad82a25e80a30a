/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mode `full`: the whole stream first, then the guest runs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "restore/afterwards.h"
#include "restore/feed.h"
#include "restore/incoming.h"
#include "vmguard/clock.h"

enum {
	READY_LIMIT_MS = 60000,
	EVENT_POLL_MS = 200,
};

static const char fd_name[] = "vmguard-incoming";

static int start_incoming(struct hypervisor *h, int fd, struct fault *f)
{
	struct json_object *arguments;
	int r = hypervisor_set_capability(h, "events", true, f);

	if (!r)
		r = hypervisor_give_fd(h, fd, fd_name, f);
	if (r < 0)
		return r;
	arguments = json_object_new_object();
	json_object_object_add(arguments, "uri", json_object_new_string("fd:vmguard-incoming"));
	return hypervisor_execute(h, "migrate-incoming", arguments, NULL, f);
}

/* Takes in one event: 1 when the stream is loaded, 0 not yet, -EREMOTEIO: QEMU refused it. */
static int next_event(struct hypervisor *h, struct fault *f)
{
	struct monitor_event event;
	char status[32];
	int r = hypervisor_event(h, EVENT_POLL_MS, &event, f);

	if (r <= 0)
		return r;
	r = 0;
	if (event_is_migration(&event, status)) {
		if (!strcmp(status, "failed"))
			r = fault_set(f, -EREMOTEIO, "QEMU refused the stream");
		else if (!strcmp(status, "completed"))
			r = 1;
	}
	json_object_put(event.data);
	return r;
}

/* Completed comes before the guest runs: ask until it has left "inmigrate". */
static int wait_until_it_runs(struct hypervisor *h, char state[32], struct fault *f)
{
	int64_t until = monotonic_ms() + READY_LIMIT_MS;
	bool loaded = false;

	while (monotonic_ms() < until) {
		int r = next_event(h, f);

		if (r < 0)
			return r;
		loaded = loaded || r;
		if (!loaded)
			continue;
		r = hypervisor_run_state(h, state, f);
		if (r < 0 || strcmp(state, "inmigrate") != 0)
			return r;
	}
	return fault_set(f, -ETIMEDOUT, "the guest does not run %d s after the last page",
			 READY_LIMIT_MS / 1000);
}

static int send_all(struct checkpoint *c, struct hypervisor *h, int fd,
		    const struct restore_options *options, struct restore_result *result,
		    struct fault *f)
{
	int r = feed(c, fd, options, result, f);

	/* Ends the stream, or cuts it where feeding failed: QEMU then refuses it. */
	shutdown(fd, SHUT_WR);
	if (r == -EPIPE || r == -ECONNRESET)
		return fault_set(f, r, "QEMU at %s closed the stream early", h->where);
	return r;
}

int restore_full(struct checkpoint *c, struct hypervisor *h, const struct restore_options *options,
		 struct restore_result *result, struct fault *f)
{
	const struct manifest *m = checkpoint_manifest(c);
	int64_t started_ms = options->since_ms;
	int ends[2];
	int r = incoming_check(h, f);

	if (r < 0)
		return fault_wrap(f, "restore %s", m->guest);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return fault_errno(f, -errno, "restore %s: make a socket", m->guest);
	auto_fd int ours = ends[0];
	fcntl(ours, F_SETFL, O_NONBLOCK);
	r = start_incoming(h, ends[1], f);
	close(ends[1]); /* QEMU has its own: when it closes that, we see it */
	if (!r)
		r = send_all(c, h, ours, options, result, f);
	if (!r)
		r = wait_until_it_runs(h, result->run_state, f);
	result->runs = !r;
	result->run_ms = result->total_ms = monotonic_ms() - started_ms;
	if (!r)
		afterwards_do(h, options, &result->afterwards);
	return r < 0 ? fault_wrap(f, "restore %s", m->guest) : 0;
}

int restore_finish(struct hypervisor *h, const struct restore_options *options,
		   struct restore_result *result, struct fault *f)
{
	int r = hypervisor_run_state(h, result->run_state, f);

	result->runs = true;
	result->run_ms = result->total_ms = monotonic_ms() - options->since_ms;
	if (!r)
		afterwards_do(h, options, &result->afterwards);
	return r;
}

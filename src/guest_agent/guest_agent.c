/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every backend can do with execute(). */
#include "vmguard/guest_agent.h"

#include "vmguard/clock.h"

enum {
	PING_LIMIT_MS = 3000,
	SET_TIME_LIMIT_MS = 5000, /* it runs hwclock, which waits for the next second */
};

void guest_agent_close(struct guest_agent *a)
{
	if (a)
		a->ops->close(a);
}

int guest_agent_ping(struct guest_agent *a, struct fault *f)
{
	const struct guest_agent_command ping = {"guest-ping", NULL, PING_LIMIT_MS};

	return a->ops->execute(a, &ping, f);
}

/* The time is taken when the agent is known to listen: what waits in the channel grows old. */
int guest_agent_set_time(struct guest_agent *a, struct fault *f)
{
	struct guest_agent_command set = {"guest-set-time", NULL, SET_TIME_LIMIT_MS};
	int r = guest_agent_ping(a, f);

	if (r < 0)
		return r;
	set.arguments = json_object_new_object();
	json_object_object_add(set.arguments, "time",
			       json_object_new_int64(clock_us(CLOCK_REALTIME) * 1000));
	return a->ops->execute(a, &set, f);
}

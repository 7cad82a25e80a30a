/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guests without libvirt: a QEMU is there when somebody listens on its QMP socket, and its process
 * is watched from then on. Nobody tells how it ended, nor how it is started anew: such a guest
 * stays down until its user continues it.
 */
#include <errno.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "guest.h"
#include "vmguard/rescue.h"

static void tell(struct guest *g, enum guard_event event, const char *why)
{
	const struct guard_news news = {.event = event, .why = why};

	guard_tell(&g->guard, &news, daemon_now_ms());
}

void sockets_forget(struct guest *g)
{
	g->qemu_end = sd_event_source_disable_unref(g->qemu_end); /* closes the descriptor */
}

static int on_end(sd_event_source *source, int fd, uint32_t events, void *guest)
{
	struct guest *g = guest;

	(void)source;
	(void)fd;
	(void)events;
	sockets_forget(g);
	tell(g, GUARD_DIED, "its QEMU has ended");
	daemon_step(g->daemon);
	return 0;
}

static int watch(struct guest *g, pid_t pid)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return -errno;
	int r = sd_event_add_io(g->daemon->loop, &g->qemu_end, fd, EPOLLIN, on_end, g);
	if (r < 0) {
		close(fd);
		return r;
	}
	return sd_event_source_set_io_fd_own(g->qemu_end, true);
}

void sockets_look(struct daemon *d)
{
	struct fault ignored;

	for (struct guest *g = d->guests; g; g = g->next) {
		if (g->stage != GUEST_GUARDED || !g->policy.qmp[0] || g->qemu_end)
			continue;
		pid_t pid = rescue_find_pid(g->policy.qmp, &ignored);
		if (pid > 0 && watch(g, pid) >= 0)
			tell(g, GUARD_APPEARED, NULL);
	}
}

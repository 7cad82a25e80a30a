/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A page service, the guest's checkpoint before it and the peer behind it. */
#pragma once

#include "restore/pages.h"
#include "restore/peer.h"

enum { MANY = 1000000 };

static struct {
	struct page_service *service;
	pthread_t finisher;
	int fd, urgent_fd;
	int result;
	struct fault fault;
} scene;

/* `o`: what is not as usual; preempt_fd 0: no second channel. */
static inline void scene_open(struct page_service_options o)
{
	int fds[2], urgent_fds[2] = {-1, -1};

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	if (o.preempt_fd)
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, urgent_fds), 0);
	scene.fd = fds[0];
	scene.urgent_fd = urgent_fds[0];
	peer_begin(fds[1], urgent_fds[1], o.resume);
	o.checkpoint = guest.checkpoint;
	o.host_page_bytes = guest.host_page_bytes;
	o.fd = scene.fd;
	o.preempt_fd = scene.urgent_fd;
	if (!o.store_wait_ms)
		o.store_wait_ms = WAIT_LIMIT_MS;
	ASSERT_OK(page_service_open(&o, &scene.service, &fault));
}

static inline void scene_run(struct page_service_options o)
{
	scene_open(o);
	ASSERT_OK(page_service_run(scene.service, guest.devices, DEVICE_BYTES, &fault));
	WAIT_UNTIL(peer.runs);
}

static inline void scene_push(void)
{
	ASSERT_OK(page_service_push(scene.service, &fault));
}

static inline void scene_close(void)
{
	page_service_close(give(scene.service));
	close(scene.fd);
	if (scene.urgent_fd >= 0)
		close(scene.urgent_fd);
	peer_end();
}

static inline void *finish_main(void *unused)
{
	scene.result = page_service_finish(scene.service, &scene.fault);
	return unused;
}

static inline void scene_finish(void)
{
	pthread_create(&scene.finisher, NULL, finish_main, NULL);
}

/* What page_service_finish() says. */
static inline int scene_finished(void)
{
	pthread_join(scene.finisher, NULL);
	scene.service = NULL;
	scene_close();
	return scene.result;
}

/* No end may have come, and `words` are in the fault. */
static inline void must_fail(int code, const char *words)
{
	int r = scene_finished();

	ck_assert_msg(r == code && strstr(scene.fault.text, words), "%d: %s", r, scene.fault.text);
	ck_assert(!peer.ended);
}

/* All that is not zero is there; of what is zero, only what was asked for (see the peer). */
static inline void must_have_all(void)
{
	for (uint64_t page = 0; page < guest.layout.pages; page++)
		ck_assert_msg(peer.got[page] || !guest.fills[page], "page %u is missing",
			      (unsigned)page);
}

#define SHUT(status) "\0\1\0\4\0\0\0" status

static inline void scene_shut(void)
{
	SAY(SHUT("\0"));
	int r = scene_finished();
	ck_assert_msg(r == 0, "%s", scene.fault.text);
	must_have_all();
}

/* All goes well from here to the end. */
static inline void scene_complete(void)
{
	scene_finish();
	WAIT_UNTIL(peer.ended);
	scene_shut();
}

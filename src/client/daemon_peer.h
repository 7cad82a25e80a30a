/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server for tests of the client, in a thread: the real one (src/api), or one that says what it
 * is told to and closes. Nothing in its thread asserts, and it has a copy of what it needs: a test
 * that fails leaves it behind.
 */
#pragma once

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"
#include "vmguard/api.h"

static struct fault fault;
static char folder[] = "/tmp/client-test-XXXXXX";
static char socket_path[64];

struct daemon_peer {
	struct api *api;
	void (*idle)(void); /* called between two dispatches; may be NULL */
	int listener;	    /* of the other one */
	const char *says;
	int stop;
	pthread_t thread;
};

static inline void peer_folder(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
}

static inline void *peer_serve(void *peer)
{
	const struct daemon_peer p = *(struct daemon_peer *)peer;
	struct pollfd fds[] = {{.fd = api_fd(p.api), .events = POLLIN},
			       {.fd = p.stop, .events = POLLIN}};

	while (!fds[1].revents) {
		int timeout_ms = api_timeout_ms(p.api);

		poll(fds, 2, timeout_ms >= 0 && timeout_ms < 50 ? timeout_ms : 50);
		api_dispatch(p.api);
		if (p.idle)
			p.idle();
	}
	return NULL;
}

static inline void peer_begin(struct daemon_peer *p, void *(*serve)(void *))
{
	p->stop = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_ge(p->stop, 0);
	ck_assert_int_eq(pthread_create(&p->thread, NULL, serve, p), 0);
}

static inline void peer_open(struct daemon_peer *p, const struct api_options *options,
			     void (*idle)(void))
{
	*p = (struct daemon_peer){.idle = idle, .listener = -1};
	ck_assert_msg(api_open(options, &p->api, &fault) == 0, "%s", fault.text);
	peer_begin(p, peer_serve);
}

static inline int peer_bind(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, socket_path);
	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Each connection gets the same, once it has sent something. */
static inline void *peer_say(void *peer)
{
	const struct daemon_peer p = *(struct daemon_peer *)peer;
	struct pollfd fds[] = {{.fd = p.listener, .events = POLLIN},
			       {.fd = p.stop, .events = POLLIN}};
	char request[4096];

	while (poll(fds, 2, -1) > 0 && !fds[1].revents) {
		int fd = accept(p.listener, NULL, NULL);

		if (recv(fd, request, sizeof(request), 0) > 0)
			send(fd, p.says, strlen(p.says), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static inline void peer_open_saying(struct daemon_peer *p, const char *says)
{
	*p = (struct daemon_peer){.listener = peer_bind(), .says = says};
	ck_assert_int_eq(listen(p->listener, 8), 0);
	peer_begin(p, peer_say);
}

static inline void peer_close(struct daemon_peer *p)
{
	ck_assert_int_eq(eventfd_write(p->stop, 1), 0);
	ck_assert_int_eq(pthread_join(p->thread, NULL), 0);
	close(p->stop);
	api_close(p->api);
	p->api = NULL;
	if (p->listener >= 0) {
		close(p->listener);
		ck_assert_int_eq(unlink(socket_path), 0);
	}
}

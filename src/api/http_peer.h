/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server for tests, and clients that speak to it byte by byte. Both are in one thread: whoever
 * waits lets the server work.
 */
#pragma once

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"
#include "vmguard/api.h"
#include "vmguard/clock.h"

enum { PEER_LIMIT_MS = 60000, PEER_ANSWER_BYTES = 1 << 20 };

static struct api *api;
static struct fault fault;
static char folder[] = "/tmp/api-test-XXXXXX";
static char socket_path[64];
static char answer[PEER_ANSWER_BYTES]; /* what the last client got so far */
static size_t answer_bytes;
static unsigned dispatches;

static inline void peer_folder(void)
{
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
}

static inline void peer_open(struct api_options *options)
{
	peer_folder();
	options->socket = socket_path;
	int r = api_open(options, &api, &fault);
	ck_assert_msg(r == 0, "%s", fault.text);
}

static inline void peer_close(void)
{
	api_close(api);
	api = NULL;
	ck_assert_int_eq(access(socket_path, F_OK), -1);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* Waits for the server to have something to do, and lets it. */
static inline void peer_work(int limit_ms)
{
	struct pollfd p = {.fd = api_fd(api), .events = POLLIN};
	int timeout_ms = api_timeout_ms(api);

	bool is_timer = timeout_ms >= 0 && timeout_ms < limit_ms;

	if (poll(&p, 1, is_timer ? timeout_ms : limit_ms) == 0 && !is_timer)
		return; /* as a loop does that has no other reason to */
	api_dispatch(api);
	dispatches++;
}

static inline int peer_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, socket_path);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		ck_assert_int_eq(errno, EAGAIN); /* its backlog is full */
		peer_work(10);
	}
	return fd;
}

static inline void peer_send_bytes(int fd, const char *bytes, size_t count)
{
	while (count) {
		ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			peer_work(10);
			continue;
		}
		if (n < 0)
			return; /* it was closed: what it says is what counts */
		bytes += n;
		count -= n;
	}
}

static inline void peer_send(int fd, const char *text)
{
	peer_send_bytes(fd, text, strlen(text));
}

static inline void peer_forget(void)
{
	answer_bytes = 0;
	*answer = 0;
}

/* What is there; false: it was closed. */
static inline bool peer_take(int fd)
{
	ssize_t n;

	while ((n = recv(fd, answer + answer_bytes, sizeof(answer) - 1 - answer_bytes, 0)) > 0)
		answer_bytes += n;
	answer[answer_bytes] = 0;
	return n < 0 && errno == EAGAIN;
}

/* Until the answer has this text; false: the connection was closed before. */
static inline bool peer_wait_for(int fd, const char *text)
{
	int64_t end_ms = monotonic_ms() + PEER_LIMIT_MS;

	while (!strstr(answer, text) && peer_take(fd) && !strstr(answer, text)) {
		ck_assert_msg(monotonic_ms() < end_ms, "no \"%s\" in \"%s\"", text, answer);
		peer_work(100);
	}
	return strstr(answer, text);
}

/* Until it is closed. */
static inline void peer_wait_end(int fd)
{
	int64_t end_ms = monotonic_ms() + PEER_LIMIT_MS;

	while (peer_take(fd)) {
		ck_assert_msg(monotonic_ms() < end_ms, "not closed after \"%s\"", answer);
		peer_work(100);
	}
}

static inline bool peer_has_whole(void)
{
	const char *body = strstr(answer, "\r\n\r\n");
	const char *length = strcasestr(answer, "\r\nContent-Length:");

	return body && length && length < body &&
	       strlen(body + 4) >= strtoul(length + 17, NULL, 10);
}

/* One whole answer, with a Content-Length, or all that came before the end. */
static inline const char *peer_answer(int fd)
{
	int64_t end_ms = monotonic_ms() + PEER_LIMIT_MS;

	peer_forget();
	while (peer_take(fd) && !peer_has_whole()) {
		ck_assert_msg(monotonic_ms() < end_ms, "no answer but \"%s\"", answer);
		peer_work(100);
	}
	return answer;
}

/* A connection of its own for one request. */
static inline const char *peer_ask(const char *request)
{
	int fd = peer_connect();

	peer_send(fd, request);
	peer_answer(fd);
	close(fd);
	peer_work(0);
	return answer;
}

static inline unsigned peer_status(void)
{
	ck_assert_msg(!strncmp(answer, "HTTP/1.1 ", 9), "\"%s\"", answer);
	return (unsigned)strtoul(answer + 9, NULL, 10);
}

static inline const char *peer_body(void)
{
	const char *body = strstr(answer, "\r\n\r\n");

	return body ? body + 4 : "";
}

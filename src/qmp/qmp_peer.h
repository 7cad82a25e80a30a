/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests: the other end of a socketpair, a thread that plays QEMU from a script. Each
 * step reads one command (one line) and answers it with bytes recorded from QEMU.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEER_GREETING                                                                      \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, " \
	"\"package\": \"Debian 1:7.2+dfsg-7+deb12u18+b3\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define PEER_GREETING_NO_OOB                                                              \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 2, \"minor\": 0, \"major\": 4}, " \
	"\"package\": \"\"}, \"capabilities\": []}}\r\n"
/* The steps of every script: qmp_attach() */
#define PEER_GREETS                                                       \
	{NULL, PEER_GREETING},                                            \
	{                                                                 \
		"\"qmp_capabilities\"", "{\"return\": {}, \"id\": 1}\r\n" \
	}

struct peer_step {
	const char *expect; /* a part of the command; NULL: waits for none */
	const char *answer; /* NULL: none */
};

struct peer {
	int fd; /* closed at the end of the script unless `stays` */
	const struct peer_step *steps;
	size_t step_count;
	size_t piece; /* of a write, 0: whole */
	bool stays;

	pthread_t thread;
	int passed_fd;		    /* came with the first byte of a command, or -1 */
	char surprise[256];	    /* a command that was not expected, or "" */
	unsigned long long longest; /* command in bytes */
};

enum { PEER_COMMAND_BYTES = 4 << 20 };

/* Reads one byte and the descriptor that came with it: QEMU, too, reads byte by byte. */
static inline bool peer_read_byte(struct peer *p, char *byte)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec piece = {byte, 1};
	struct msghdr message = {.msg_iov = &piece,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control)};

	if (recvmsg(p->fd, &message, 0) != 1)
		return false;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS && *byte == '{')
		memcpy(&p->passed_fd, CMSG_DATA(header), sizeof(int));
	return true;
}

static inline bool peer_read_command(struct peer *p, const char *expect, char *command)
{
	size_t used = 0;

	while (used < PEER_COMMAND_BYTES - 1 && peer_read_byte(p, command + used))
		if (command[used++] == '\n')
			break;
	command[used] = '\0';
	if (used > p->longest)
		p->longest = used;
	if (strstr(command, expect))
		return true;
	snprintf(p->surprise, sizeof(p->surprise), "%.120s instead of %.100s", command, expect);
	return false;
}

static inline void peer_answer(const struct peer *p, const char *text)
{
	size_t length = strlen(text), piece = p->piece ? p->piece : length;

	for (size_t at = 0; at < length; at += piece) {
		size_t n = length - at < piece ? length - at : piece;

		if (send(p->fd, text + at, n, MSG_NOSIGNAL) < 0)
			return;
	}
}

static inline void *peer_play(void *argument)
{
	struct peer *p = argument;
	char *command = malloc(PEER_COMMAND_BYTES);

	for (size_t i = 0; command && i < p->step_count; i++) {
		if (p->steps[i].expect && !peer_read_command(p, p->steps[i].expect, command))
			break;
		if (p->steps[i].answer)
			peer_answer(p, p->steps[i].answer);
	}
	free(command);
	if (!p->stays)
		close(p->fd);
	return NULL;
}

static inline void peer_start(struct peer *p)
{
	p->passed_fd = -1;
	if (pthread_create(&p->thread, NULL, peer_play, p) != 0)
		abort();
}

static inline void peer_join(struct peer *p)
{
	pthread_join(p->thread, NULL);
}

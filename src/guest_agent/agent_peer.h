/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests: a unix socket behind which a thread plays a guest agent, well or badly. */
#pragma once

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum agent_manner {
	AGENT_ANSWERS,
	AGENT_ANSWERS_BYTEWISE, /* and what somebody before left in the channel comes first */
	AGENT_SILENT,
	AGENT_SILENT_ONCE, /* does not answer the first command after it is in step */
	AGENT_REFUSES,	   /* all but to come into step */
	AGENT_GARBLES,	   /* answers with no JSON then */
	AGENT_FLOODS,	   /* with no end of it */
	AGENT_LEAVES,	   /* closes the channel at the first command */
};

#define AGENT_LEFTOVER "eft over\"}\n{\"return\": 5}\n\xff{\"return\": 6}\n{\"ret"

struct agent_peer {
	enum agent_manner manner;
	char folder[32];
	struct sockaddr_un address;
	int listener;
	atomic_bool held; /* answers nothing until it is released */
	atomic_bool over;
	int silences;		 /* left */
	_Atomic int64_t time_ns; /* that was set, 0: none */
	pthread_t thread;
};

static inline bool agent_says(const struct agent_peer *p, int fd, const char *text)
{
	size_t length = strlen(text), piece = p->manner == AGENT_ANSWERS_BYTEWISE ? 1 : length;

	for (size_t at = 0; at < length; at += piece)
		if (send(fd, text + at, piece, MSG_NOSIGNAL) < 0)
			return false;
	return true;
}

static inline bool agent_floods(const struct agent_peer *p, int fd)
{
	bool more = agent_says(p, fd, "{\"return\": \"");

	while (more && !p->over)
		more = agent_says(p, fd,
				  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	return false;
}

static inline bool agent_syncs(const struct agent_peer *p, int fd, int64_t id)
{
	char text[64];

	snprintf(text, sizeof(text), "\xff{\"return\": %" PRId64 "}\n", id);
	return (p->manner != AGENT_ANSWERS_BYTEWISE || agent_says(p, fd, AGENT_LEFTOVER)) &&
	       agent_says(p, fd, text);
}

/* False: ends the connection. */
static inline bool agent_obeys(struct agent_peer *p, int fd, const char *line)
{
	const char *id = strstr(line, "\"id\": "), *time = strstr(line, "\"time\":");

	if (p->manner == AGENT_SILENT)
		return true;
	if (p->manner == AGENT_LEAVES)
		return false;
	if (id)
		return agent_syncs(p, fd, atoll(id + 6));
	if (p->silences > 0)
		return p->silences-- > 0;
	if (p->manner == AGENT_FLOODS)
		return agent_floods(p, fd);
	if (p->manner == AGENT_GARBLES)
		return agent_says(p, fd, "sorry?\n");
	if (p->manner == AGENT_REFUSES)
		return agent_says(p, fd,
				  "{\"error\": {\"class\": \"GenericError\", "
				  "\"desc\": \"not \\u001b[2J now\"}}\n");
	if (time)
		p->time_ns = atoll(time + 7);
	return agent_says(p, fd, "{\"return\": {}}\n");
}

static inline void agent_serves(struct agent_peer *p, int fd)
{
	FILE *stream = fdopen(fd, "r");
	char line[256];

	while (stream && fgets(line, sizeof(line), stream)) {
		while (p->held && !p->over)
			usleep(1000);
		if (!agent_obeys(p, fd, line))
			break;
	}
	if (stream)
		fclose(stream);
}

static inline void *agent_main(void *peer)
{
	struct agent_peer *p = peer;
	int fd;

	while ((fd = accept(p->listener, NULL, NULL)) >= 0)
		agent_serves(p, fd);
	return NULL;
}

static inline void agent_start(struct agent_peer *p, enum agent_manner manner)
{
	*p = (struct agent_peer){.manner = manner, .folder = "/tmp/agent-test-XXXXXX"};
	p->silences = manner == AGENT_SILENT_ONCE;
	p->address.sun_family = AF_UNIX;
	if (!mkdtemp(p->folder))
		abort();
	snprintf(p->address.sun_path, sizeof(p->address.sun_path), "%s/agent", p->folder);
	p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(p->listener, (struct sockaddr *)&p->address, sizeof(p->address)) < 0 ||
	    listen(p->listener, 4) < 0 || pthread_create(&p->thread, NULL, agent_main, p) != 0)
		abort();
}

/* After its clients have closed. */
static inline void agent_stop(struct agent_peer *p)
{
	p->over = true;
	shutdown(p->listener, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->listener);
	unlink(p->address.sun_path);
	rmdir(p->folder);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few system calls of libqmp, each with a deadline in milliseconds of CLOCK_MONOTONIC.
 * None raises SIGPIPE; none depends on whether the descriptor is non-blocking.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmguard/qmp.h"

/* limit_ms from now; a negative limit is 0. */
int64_t qmp_deadline(int limit_ms);
int64_t qmp_now_ms(void);

/* -ENAMETOOLONG, -ETIMEDOUT (nobody accepts and the backlog is full), or connect()'s errno. */
int qmp_socket_connect(const char *path, int limit_ms, int *fd, struct qmp_error *e);

/* poll(): 1 and *ready, 0 at the deadline, or a negative errno. Looks once where it is past. */
int qmp_socket_wait(int fd, short events, int64_t deadline_ms, short *ready);

/* Bytes sent, with pass_fd on the first of them where it is > 0; -EAGAIN: not now. */
ssize_t qmp_socket_send(int fd, const char *bytes, size_t length, int pass_fd);
/* Bytes received, 0 at the end; -EAGAIN: none now. */
ssize_t qmp_socket_receive(int fd, char *bytes, size_t room);

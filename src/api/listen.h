/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sockets that listen. */
#pragma once

#include <stdint.h>

#include "vmguard/fault.h"

/*
 * On a path, 0660, for a group (NULL: the process' own). *inode is the socket's file. -EADDRINUSE:
 * somebody answers there, or it is no socket.
 */
int listen_on_path(const char *path, const char *group, int *fd, uint64_t *inode, struct fault *f);
/* Removes the file, if it is still this one. */
void listen_forget_path(const char *path, uint64_t inode);

/* On "192.0.2.1:7840" or "[::]:7840"; *port is the one that it got. */
int listen_on_address(const char *address, int *fd, unsigned *port, struct fault *f);

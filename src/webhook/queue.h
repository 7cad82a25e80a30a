/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Texts on disk, first in first out. Each is a file of its own whose name is its number; it is
 * written beside the queue and renamed, so a kill leaves a text whole or not at all. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

enum { QUEUE_FILE_BYTES = 4096 }; /* a file takes a multiple of it */

struct queue;

/* The folder is made if it is missing; -EINVAL, and what the system says. */
int queue_open(const char *folder, uint64_t limit_bytes, struct queue **q, struct fault *f);
void queue_close(struct queue *q); /* accepts NULL */
SCOPE_CLOSER(queue_close, struct queue)

/* Drops the oldest for as long as there is no room. On an error this one is dropped. */
int queue_push(struct queue *q, const char *text, struct fault *f);

/* The oldest, NULL: there is none. The caller frees it. Drops what a power failure has damaged. */
char *queue_front(struct queue *q, uint64_t *number);

/* Removes it, if it was not dropped meanwhile: then it was delivered, though, and is not counted.
 */
void queue_remove(struct queue *q, uint64_t number);

uint64_t queue_waiting(const struct queue *q);
uint64_t queue_dropped(const struct queue *q); /* since queue_open() */

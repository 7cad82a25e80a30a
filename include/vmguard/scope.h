/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scope owns: a variable marked auto_* is released when it goes out of scope,
 * so that an early return needs no ladder of labels.
 *
 *	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
 *	auto_of(image_close) struct image *image = NULL;
 *	...
 *	*out = give(image);     the one way to hand it on
 */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#define auto_free __attribute__((cleanup(scope_free)))
#define auto_fd __attribute__((cleanup(scope_close)))

/* Needs one SCOPE_CLOSER(close_function, type) beside the declaration of close_function. */
#define auto_of(closer) __attribute__((cleanup(scope_##closer)))
#define SCOPE_CLOSER(closer, type)                       \
	static inline void scope_##closer(type **object) \
	{                                                \
		closer(*object);                         \
	}

#define give(variable)                                    \
	({                                                \
		__typeof__(variable) given_ = (variable); \
		(variable) = NULL;                        \
		given_;                                   \
	})

static inline void scope_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void scope_close(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline int give_fd(int *fd)
{
	int given = *fd;

	*fd = -1;
	return given;
}

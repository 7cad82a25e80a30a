/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's migration stream: a parser for what a background snapshot sends, and a
 * writer for what `-incoming` takes.
 *
 *	magic, version
 *	CONFIGURATION         machine type [, subsections]      \ kept as recorded in the
 *	START ram             RAM blocks                        / layout
 *	PART ram …            page and zero page records        -> sink.page, any order, once each
 *	FULL device …         opaque                            -> sink.devices
 *	EOF, VM description   JSON; proves where the devices end
 *
 * Both are pure: no I/O, nothing blocks. The parser resumes at any byte. What it does not know
 * (a flag, an iterable section that is not RAM, a second copy of a page) is an error and never
 * skipped: a checkpoint is right or it is not taken.
 *
 * Source: QEMU migration/savevm.c, migration/ram.c, migration/qemu-file.c; the same bytes in
 * 7.2 and 10.0 but for the section id of RAM.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/fault.h"
#include "vmguard/layout.h"
#include "vmguard/scope.h"

enum {
	STREAM_DEVICES_MAX = 512 << 20, /* device state beyond it is refused */
};

/* Takes what the parser finds. A negative return ends parsing and is handed on. */
struct stream_sink;
struct stream_sink_ops {
	/* Once, before the first page. The layout belongs to the parser. */
	int (*layout)(struct stream_sink *s, const struct ram_layout *l, struct fault *f);
	/* One page; data is page_bytes long and valid during the call, NULL for a zero page. */
	int (*page)(struct stream_sink *s, uint64_t page, const uint8_t *data, struct fault *f);
	/* Once, from stream_finish(): the stream is whole. Valid during the call. */
	int (*devices)(struct stream_sink *s, const uint8_t *state, size_t bytes, struct fault *f);
};

struct stream_sink {
	const struct stream_sink_ops *ops;
};

struct stream_parser;

/* The sink must outlive the parser. NULL: no memory. */
struct stream_parser *stream_parser_new(struct stream_sink *sink);
void stream_parser_free(struct stream_parser *p); /* accepts NULL */
SCOPE_CLOSER(stream_parser_free, struct stream_parser)

/*
 * Feeds the next bytes, any number of them. -EBADMSG: malformed, says what and at which
 * offset; -EEXIST: a page twice; -EOPNOTSUPP: a feature of QEMU that changes the stream;
 * -EFBIG, -ENOMEM; or the sink's error. After an error the parser takes no more.
 */
int stream_feed(struct stream_parser *p, const void *bytes, size_t length, struct fault *f);

/*
 * The stream ended. -ENODATA: it was cut short, or pages are missing; says where. Also
 * fails when the page size it was read with is not the one in the VM description.
 */
int stream_finish(struct stream_parser *p, struct fault *f);

/*
 * The device state of a guest that was stopped only for the snapshot says that it was paused, and
 * QEMU would leave it so when it is restored. This makes it say that it ran. false: it does not say
 * that it was paused; nothing is changed.
 */
bool stream_mark_running(uint8_t *devices, size_t bytes);

/* Bytes taken so far. */
uint64_t stream_offset(const struct stream_parser *p);

/* Where a writer's bytes go: a descriptor, a buffer. */
struct stream_output;
struct stream_output_ops {
	int (*write)(struct stream_output *o, const void *bytes, size_t length, struct fault *f);
};

struct stream_output {
	const struct stream_output_ops *ops;
};

struct stream_writer;

/* Layout and output must outlive the writer. NULL: no memory. */
struct stream_writer *stream_writer_new(const struct ram_layout *l, struct stream_output *o);
void stream_writer_free(struct stream_writer *w); /* accepts NULL */
SCOPE_CLOSER(stream_writer_free, struct stream_writer)

/* The head up to the block list; then every page in any order (data NULL: zero); then the end. */
int stream_write_head(struct stream_writer *w, struct fault *f);
int stream_write_page(struct stream_writer *w, uint64_t page, const uint8_t *data, struct fault *f);
/* The device state as the parser gave it. -ENODATA when not every page was written. */
int stream_write_end(struct stream_writer *w, const uint8_t *devices, size_t bytes,
		     struct fault *f);

/* ---- postcopy: the guest runs before its pages are there --------------------------------- */

/*
 * Instead of head, pages, end: head, run, then pages in any order, each once and of what is zero
 * only what was asked for, and the end when every page that is not zero was written. The
 * destination answers on the return path. host_page_bytes: by block; its page size at the
 * destination (larger than the target's with hugetlb: then all pages of a host page are written
 * together, in order).
 */
int stream_write_postcopy_head(struct stream_writer *w, const uint64_t *host_page_bytes,
			       struct fault *f);
/* The guest runs when the destination has read this. */
int stream_write_run(struct stream_writer *w, const uint8_t *devices, size_t bytes,
		     struct fault *f);
/* What stream_write_page() has gathered goes out. */
int stream_write_pages_now(struct stream_writer *w, struct fault *f);
int stream_write_postcopy_end(struct stream_writer *w, struct fault *f);

/* A second channel (postcopy-preempt): page records alone, no head, no run. */
void stream_writer_be_bare(struct stream_writer *w);

/* A source that takes over from one that died: ask, wait for every block's bitmap, resume. */
int stream_write_ask_received(struct stream_writer *w, struct fault *f);
int stream_write_resume(struct stream_writer *w, struct fault *f);

/* Takes what the destination says. A negative return ends parsing and is handed on. */
struct return_path_sink;
struct return_path_sink_ops {
	/* It needs these pages now. */
	int (*request)(struct return_path_sink *s, uint64_t page, uint64_t pages, struct fault *f);
	/* Bit p of the bitmap: page p of the block is there; valid during the call. */
	int (*received)(struct return_path_sink *s, const struct ram_block *b,
			const uint8_t *bitmap, struct fault *f);
	int (*resumed)(struct return_path_sink *s, struct fault *f);
	/* All is loaded (status 0), or loading failed. */
	int (*shut)(struct return_path_sink *s, uint32_t status, struct fault *f);
};

struct return_path_sink {
	const struct return_path_sink_ops *ops;
};

struct return_path;

/* Layout and sink must outlive it. NULL: no memory. */
struct return_path *return_path_new(const struct ram_layout *l, struct return_path_sink *sink);
void return_path_free(struct return_path *p); /* accepts NULL */
SCOPE_CLOSER(return_path_free, struct return_path)

/*
 * Feeds the next bytes, any number of them. -EBADMSG: malformed, says what and at which offset;
 * -EOPNOTSUPP: an unknown message; or the sink's error. After an error it takes no more.
 */
int return_path_feed(struct return_path *p, const void *bytes, size_t length, struct fault *f);

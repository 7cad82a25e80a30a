/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser's state, shared by parser.c (feeding), sections.c and records.c (steps), tail.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/stream.h"

enum parser_state {
	PARSER_HEADER,
	PARSER_SECTION,
	PARSER_CONFIG_SIZE,
	PARSER_CONFIG_NAME,
	PARSER_SUB_HEAD,
	PARSER_SUB_NAME,
	PARSER_SUB_PAGE_BITS,
	PARSER_SUB_UUID,
	PARSER_START_HEAD,
	PARSER_START_NAME,
	PARSER_PART,
	PARSER_RECORD,
	PARSER_BLOCK_HEAD,
	PARSER_BLOCK_NAME,
	PARSER_NAME_HEAD,
	PARSER_NAME,
	PARSER_FILL,
	PARSER_PAGE,
	PARSER_FOOTER,
	PARSER_TAIL,
	PARSER_STATES,
};

struct stream_parser {
	struct stream_sink *sink;
	struct ram_layout layout;

	enum parser_state state;
	size_t need; /* bytes the state asks for, at most partial_bytes */
	size_t have; /* of them in `partial` */
	uint8_t *partial;
	size_t partial_bytes;
	uint64_t offset; /* bytes taken */
	uint64_t item;	 /* where the item being decoded starts, for messages */
	bool broken;

	bool configured;      /* CONFIGURATION was seen */
	bool started;	      /* the RAM section was started */
	uint64_t blocks_left; /* bytes of RAM not yet named by the block list */

	uint64_t record;	       /* the record being read: offset in block | flags */
	const struct ram_block *block; /* carried over by CONTINUE, also across PARTs */
	uint8_t *seen;		       /* one bit a page */
	uint64_t seen_count;

	struct {
		uint8_t *bytes;
		size_t used, room;
	} tail;
};

struct parser_step {
	const char *what; /* "in the header", for a stream that ends here */
	int (*step)(struct stream_parser *p, const uint8_t *bytes, struct fault *f);
};

/* records.c: the RAM section; sections.c has the other steps */
int step_record(struct stream_parser *p, const uint8_t *b, struct fault *f);
int step_block_head(struct stream_parser *p, const uint8_t *b, struct fault *f);
int step_block_name(struct stream_parser *p, const uint8_t *b, struct fault *f);
int step_name_head(struct stream_parser *p, const uint8_t *b, struct fault *f);
int step_name(struct stream_parser *p, const uint8_t *b, struct fault *f);
int step_fill(struct stream_parser *p, const uint8_t *b, struct fault *f);
int step_page(struct stream_parser *p, const uint8_t *b, struct fault *f);

extern const struct parser_step parser_steps[PARSER_STATES];

void parser_expect(struct stream_parser *p, enum parser_state state, size_t need);

/* fault_set() with " at stream offset N" behind it. */
int parser_fault(struct stream_parser *p, struct fault *f, int code, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

int tail_append(struct stream_parser *p, const uint8_t *bytes, size_t length, struct fault *f);
/* Length of the device state in p->tail; checks the VM description behind it. */
int tail_find_end(struct stream_parser *p, size_t *devices, struct fault *f);

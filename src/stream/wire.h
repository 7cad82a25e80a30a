/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Constants of the migration stream. All integers are big-endian. */
#pragma once

#include <stdint.h>

/* migration/savevm.h */
enum {
	WIRE_MAGIC = 0x5145564d, /* "QEVM" */
	WIRE_VERSION = 3,
};

/* migration/savevm.h: section types */
enum {
	WIRE_EOF = 0x00,
	WIRE_SECTION_START = 0x01,
	WIRE_SECTION_PART = 0x02,
	WIRE_SECTION_END = 0x03,
	WIRE_SECTION_FULL = 0x04,
	WIRE_SUBSECTION = 0x05,
	WIRE_VMDESCRIPTION = 0x06,
	WIRE_CONFIGURATION = 0x07,
	WIRE_SECTION_FOOTER = 0x7e,
};

/* migration/ram.c: in the low bits of a record's page offset */
enum {
	WIRE_PAGE_ZERO = 0x02,
	WIRE_PAGE_MEM_SIZE = 0x04,
	WIRE_PAGE_DATA = 0x08,
	WIRE_PAGE_EOS = 0x10,
	WIRE_PAGE_CONTINUE = 0x20,
};

enum {
	WIRE_RAM_SECTION_VERSION = 4,
	WIRE_NAME_MAX = 255,
	/* exec.c, TARGET_PAGE_BITS: x86 has 12 and does not say so; the others name theirs */
	WIRE_PAGE_BITS_DEFAULT = 12,
	WIRE_PAGE_BITS_MIN = 10,
	WIRE_PAGE_BITS_MAX = 16,
};

static inline uint32_t wire_get32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint64_t wire_get64(const uint8_t *b)
{
	return (uint64_t)wire_get32(b) << 32 | wire_get32(b + 4);
}

static inline void wire_put32(uint8_t *b, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		b[i] = value >> (24 - 8 * i);
}

static inline void wire_put64(uint8_t *b, uint64_t value)
{
	wire_put32(b, value >> 32);
	wire_put32(b + 4, value);
}

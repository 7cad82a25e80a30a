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
	WIRE_COMMAND = 0x08,
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

/* migration/savevm.c, enum qemu_vm_cmd: WIRE_COMMAND | be16 command | be16 length | data */
enum {
	WIRE_OPEN_RETURN_PATH = 1,
	WIRE_POSTCOPY_ADVISE = 3,
	WIRE_POSTCOPY_LISTEN = 4,
	WIRE_POSTCOPY_RUN = 5,
	WIRE_POSTCOPY_RAM_DISCARD = 6,
	WIRE_PACKAGED = 7,
	WIRE_POSTCOPY_RESUME = 9,
	WIRE_RECV_BITMAP = 10,
	WIRE_DISCARD_VERSION = 0,
};

/* migration/migration.h, enum mig_rp_message_type: be16 type | be16 length | data */
enum {
	WIRE_RP_SHUT = 1,
	WIRE_RP_PONG = 2,
	WIRE_RP_REQ_PAGES_ID = 3,
	WIRE_RP_REQ_PAGES = 4,
	WIRE_RP_RECV_BITMAP = 5,
	WIRE_RP_RESUME_ACK = 6,
	WIRE_RP_BYTES_MAX = 512,
};

/* migration/ram.c, RAMBLOCK_RECV_BITMAP_ENDING */
#define WIRE_BITMAP_END 0x0123456789abcdefULL

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

static inline uint16_t wire_get16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
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

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What each item of the stream means: one step a state, and the table of them. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "stream/parser.h"
#include "stream/wire.h"

/* Keeps bytes of the CONFIGURATION section as recorded: the destination gets them verbatim. */
static int keep_configuration(struct stream_parser *p, const uint8_t *bytes, size_t length,
			      struct fault *f)
{
	struct ram_layout *l = &p->layout;

	if (l->configuration_bytes + length > sizeof(l->configuration))
		return parser_fault(p, f, -EFBIG, "CONFIGURATION section of more than %zu bytes",
				    sizeof(l->configuration));
	memcpy(l->configuration + l->configuration_bytes, bytes, length);
	l->configuration_bytes += length;
	return 0;
}

static int step_header(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	if (wire_get32(b) != WIRE_MAGIC)
		return parser_fault(p, f, -EBADMSG, "not a QEMU migration stream (magic 0x%08x)",
				    wire_get32(b));
	if (wire_get32(b + 4) != WIRE_VERSION)
		return parser_fault(p, f, -EBADMSG, "stream version %u instead of %d",
				    wire_get32(b + 4), WIRE_VERSION);
	parser_expect(p, PARSER_SECTION, 1);
	return 0;
}

static int section_configuration(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	if (p->configured)
		return parser_fault(p, f, -EBADMSG, "a second CONFIGURATION section");
	p->configured = true;
	parser_expect(p, PARSER_CONFIG_SIZE, 4);
	return keep_configuration(p, b, 1, f);
}

static int section_subsection(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	if (!p->configured || p->started)
		return parser_fault(p, f, -EBADMSG, "a subsection outside of CONFIGURATION");
	parser_expect(p, PARSER_SUB_HEAD, 1);
	return keep_configuration(p, b, 1, f);
}

static int section_tail(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	if (!p->started)
		return parser_fault(p, f, -EBADMSG, "device state before the RAM section");
	parser_expect(p, PARSER_TAIL, 0);
	p->offset--; /* tail_append() counts it */
	return tail_append(p, b, 1, f);
}

static int step_section(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	switch (b[0]) {
	case WIRE_CONFIGURATION:
		return section_configuration(p, b, f);
	case WIRE_SUBSECTION:
		return section_subsection(p, b, f);
	case WIRE_SECTION_START:
		if (!p->configured)
			return parser_fault(p, f, -EBADMSG, "no CONFIGURATION before the sections");
		if (p->started)
			return parser_fault(p, f, -EOPNOTSUPP,
					    "a second iterable section beside RAM");
		parser_expect(p, PARSER_START_HEAD, 5);
		return 0;
	case WIRE_SECTION_PART:
	case WIRE_SECTION_END:
		if (!p->started)
			return parser_fault(p, f, -EBADMSG, "a part of a section not started");
		parser_expect(p, PARSER_PART, 4);
		return 0;
	case WIRE_SECTION_FULL:
		return section_tail(p, b, f);
	default:
		return parser_fault(p, f, -EBADMSG, "unknown section type 0x%02x", b[0]);
	}
}

static int step_config_size(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	uint32_t length = wire_get32(b);

	if (!length || length > WIRE_NAME_MAX)
		return parser_fault(p, f, -EBADMSG, "a machine type of %u characters", length);
	parser_expect(p, PARSER_CONFIG_NAME, length);
	return keep_configuration(p, b, 4, f);
}

static int step_config_name(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	memcpy(p->layout.machine, b, p->need);
	p->layout.machine[p->need] = '\0';
	int r = keep_configuration(p, b, p->need, f);
	parser_expect(p, PARSER_SECTION, 1);
	return r;
}

static int step_sub_head(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	int r = keep_configuration(p, b, 1, f);

	parser_expect(p, PARSER_SUB_NAME, b[0] + 4u); /* and be32 version */
	return r;
}

static int step_sub_name(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	char name[WIRE_NAME_MAX + 1];
	size_t length = p->need - 4;

	memcpy(name, b, length);
	name[length] = '\0';
	int r = keep_configuration(p, b, p->need, f);
	if (r < 0)
		return r;
	if (!strcmp(name, "configuration/target-page-bits"))
		parser_expect(p, PARSER_SUB_PAGE_BITS, 4);
	else if (!strcmp(name, "configuration/uuid"))
		parser_expect(p, PARSER_SUB_UUID, 16);
	else if (!strcmp(name, "configuration/capabilities"))
		return parser_fault(p, f, -EOPNOTSUPP,
				    "the guest migrates with capabilities that change the stream "
				    "(x-ignore-shared, mapped-ram): switch them off");
	else
		return parser_fault(p, f, -EOPNOTSUPP, "unknown subsection %s", name);
	return 0;
}

static int step_sub_page_bits(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	uint32_t bits = wire_get32(b);
	int r = keep_configuration(p, b, 4, f);

	if (r < 0)
		return r;
	if (bits < WIRE_PAGE_BITS_MIN || bits > WIRE_PAGE_BITS_MAX)
		return parser_fault(p, f, -EBADMSG, "pages of 2^%u bytes", bits);
	p->layout.page_bytes = 1u << bits;
	if (p->layout.page_bytes > p->partial_bytes) {
		uint8_t *partial = realloc(p->partial, p->layout.page_bytes);

		if (!partial)
			return fault_errno(f, -ENOMEM, "pages of 2^%u bytes", bits);
		p->partial = partial;
		p->partial_bytes = p->layout.page_bytes;
	}
	parser_expect(p, PARSER_SECTION, 1);
	return 0;
}

static int step_sub_uuid(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	int r = keep_configuration(p, b, 16, f);

	parser_expect(p, PARSER_SECTION, 1);
	return r;
}

static int step_start_head(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	(void)f;
	p->layout.ram_section_id = wire_get32(b);
	parser_expect(p, PARSER_START_NAME, b[4] + 8u); /* be32 instance, be32 version */
	return 0;
}

static int step_start_name(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	size_t length = p->need - 8;
	uint32_t version = wire_get32(b + length + 4);

	if (length != 3 || memcmp(b, "ram", 3) != 0)
		return parser_fault(p, f, -EOPNOTSUPP,
				    "iterable section \"%.*s\": only ram is supported", (int)length,
				    (const char *)b);
	if (version != WIRE_RAM_SECTION_VERSION)
		return parser_fault(p, f, -EOPNOTSUPP, "RAM section version %u instead of %d",
				    version, WIRE_RAM_SECTION_VERSION);
	p->started = true;
	parser_expect(p, PARSER_RECORD, 8);
	return 0;
}

static int check_section_id(struct stream_parser *p, uint32_t id, struct fault *f)
{
	if (id == p->layout.ram_section_id)
		return 0;
	return parser_fault(p, f, -EBADMSG, "section id %u instead of RAM's %u", id,
			    p->layout.ram_section_id);
}

static int step_part(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	parser_expect(p, PARSER_RECORD, 8);
	return check_section_id(p, wire_get32(b), f);
}

static int step_footer(struct stream_parser *p, const uint8_t *b, struct fault *f)
{
	if (b[0] != WIRE_SECTION_FOOTER)
		return parser_fault(p, f, -EBADMSG, "0x%02x instead of a section footer", b[0]);
	parser_expect(p, PARSER_SECTION, 1);
	return check_section_id(p, wire_get32(b + 1), f);
}

const struct parser_step parser_steps[PARSER_STATES] = {
	[PARSER_HEADER] = {"in the file header", step_header},
	[PARSER_SECTION] = {"between sections, before the device state", step_section},
	[PARSER_CONFIG_SIZE] = {"in the CONFIGURATION section", step_config_size},
	[PARSER_CONFIG_NAME] = {"in the machine type", step_config_name},
	[PARSER_SUB_HEAD] = {"in a subsection", step_sub_head},
	[PARSER_SUB_NAME] = {"in a subsection's name", step_sub_name},
	[PARSER_SUB_PAGE_BITS] = {"in the target page size", step_sub_page_bits},
	[PARSER_SUB_UUID] = {"in the guest's UUID", step_sub_uuid},
	[PARSER_START_HEAD] = {"in the start of the RAM section", step_start_head},
	[PARSER_START_NAME] = {"in the start of the RAM section", step_start_name},
	[PARSER_PART] = {"in a section's head", step_part},
	[PARSER_RECORD] = {"between page records", step_record},
	[PARSER_BLOCK_HEAD] = {"in the list of RAM blocks", step_block_head},
	[PARSER_BLOCK_NAME] = {"in the list of RAM blocks", step_block_name},
	[PARSER_NAME_HEAD] = {"in a page record", step_name_head},
	[PARSER_NAME] = {"in a page record", step_name},
	[PARSER_FILL] = {"in a zero page record", step_fill},
	[PARSER_PAGE] = {"in a page", step_page},
	[PARSER_FOOTER] = {"in a section footer", step_footer},
	[PARSER_TAIL] = {"in the device state", NULL},
};

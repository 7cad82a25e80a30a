/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes, in pieces whose sizes come from the bytes: the parser must refuse or finish. */
#include "vmguard/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint64_t touched;

static int take_layout(struct stream_sink *s, const struct ram_layout *l, struct fault *f)
{
	(void)s;
	(void)f;
	touched += l->pages;
	return 0;
}

static int take_page(struct stream_sink *s, uint64_t page, const uint8_t *data, struct fault *f)
{
	(void)s;
	(void)f;
	touched += page;
	for (size_t i = 0; data && i < 4096; i += 512)
		touched += data[i];
	return 0;
}

static int take_devices(struct stream_sink *s, const uint8_t *state, size_t bytes, struct fault *f)
{
	(void)s;
	(void)f;
	for (size_t i = 0; i < bytes; i++)
		touched += state[i];
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const struct stream_sink_ops ops = {take_layout, take_page, take_devices};
	struct stream_sink sink = {&ops};
	auto_of(stream_parser_free) struct stream_parser *p = stream_parser_new(&sink);
	struct fault f;
	size_t at = 0;

	while (p && at < bytes) {
		size_t piece = 1 + data[at] * 37u;

		if (piece > bytes - at)
			piece = bytes - at;
		if (stream_feed(p, data + at, piece, &f) < 0)
			return 0;
		at += piece;
	}
	if (p)
		stream_finish(p, &f);
	return 0;
}

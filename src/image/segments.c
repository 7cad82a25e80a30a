/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/segments.h"

#include <errno.h>
#include <string.h>

#include "image/format.h"

int segment_list_add(struct segment_list *l, uint64_t segment, struct fault *f)
{
	struct segment_range *last = l->count ? &l->ranges[l->count - 1] : NULL;

	if (last && last->first + last->count == segment) {
		last->count++;
		return 0;
	}
	struct segment_range *ranges = realloc(l->ranges, (l->count + 1) * sizeof(*ranges));
	if (!ranges)
		return fault_errno(f, -ENOMEM, "list segments");
	l->ranges = ranges;
	ranges[l->count++] = (struct segment_range){segment, 1};
	return 0;
}

uint64_t segment_list_count(const struct segment_list *l)
{
	uint64_t count = 0;

	for (size_t i = 0; i < l->count; i++)
		count += l->ranges[i].count;
	return count;
}

bool segment_list_has(const struct segment_list *l, uint64_t segment)
{
	for (size_t i = 0; i < l->count; i++)
		if (segment - l->ranges[i].first < l->ranges[i].count)
			return true;
	return false;
}

void segment_list_clear(struct segment_list *l)
{
	free(l->ranges);
	*l = (struct segment_list){0};
}

bool segment_map_has(const struct segment_map *m, uint64_t segment)
{
	return segment < m->room && (m->bits[segment / 8] & (1u << (segment % 8)));
}

int segment_map_copy(struct segment_map *to, const struct segment_map *from, struct fault *f)
{
	*to = *from;
	to->bits = malloc(from->room / 8 + 1);
	if (!to->bits) {
		*to = (struct segment_map){0};
		return fault_errno(f, -ENOMEM, "keep track of segments");
	}
	if (from->room)
		memcpy(to->bits, from->bits, from->room / 8 + 1);
	return 0;
}

int segment_map_use(struct segment_map *m, uint64_t segment, struct fault *f)
{
	if (segment >= SEGMENTS_MAX)
		return fault_set(f, -EFBIG, "segment %llu: the image is too large",
				 (unsigned long long)segment);
	if (segment >= m->room) {
		uint64_t room = (segment + 1) * 2 + 1024;
		uint8_t *bits = realloc(m->bits, room / 8 + 1);

		if (!bits)
			return fault_errno(f, -ENOMEM, "keep track of segments");
		size_t old = m->room ? m->room / 8 + 1 : 0;
		memset(bits + old, 0, room / 8 + 1 - old);
		m->bits = bits;
		m->room = room;
	}
	m->used += !segment_map_has(m, segment);
	m->bits[segment / 8] |= 1u << (segment % 8);
	return 0;
}

int segment_map_use_list(struct segment_map *m, const struct segment_list *l, struct fault *f)
{
	for (size_t i = 0; i < l->count; i++)
		for (uint64_t k = 0; k < l->ranges[i].count; k++) {
			int r = segment_map_use(m, l->ranges[i].first + k, f);

			if (r < 0)
				return r;
		}
	return 0;
}

int segment_map_take(struct segment_map *m, uint64_t *segment, struct fault *f)
{
	while (segment_map_has(m, m->next))
		m->next++;
	*segment = m->next++;
	return segment_map_use(m, *segment, f);
}

uint64_t segment_map_end(const struct segment_map *m)
{
	uint64_t end = m->room;

	while (end && !segment_map_has(m, end - 1))
		end--;
	return end;
}

struct segment_range segment_map_free_range(const struct segment_map *m, uint64_t from)
{
	while (segment_map_has(m, from))
		from++;
	uint64_t end = from;
	while (end < m->room && !segment_map_has(m, end))
		end++;
	return (struct segment_range){from, end < m->room ? end - from : UINT64_MAX - from};
}

void segment_map_clear(struct segment_map *m)
{
	free(m->bits);
	*m = (struct segment_map){0};
}

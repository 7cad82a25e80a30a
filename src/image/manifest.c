/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *	{"format": 1, "guest": "web1", "epoch": 1, "number": 42, "time_ms": …, "pause_us": …,
 *	 "qemu": "7.2.22", "machine": "pc-i440fx-7.2", "page_bytes": 4096, "ram_section_id": 2,
 *	 "configuration": "07000000…", "blocks": [{"name": "pc.ram", "bytes": 1073741824}, …],
 *	 "base": 41, "pages_changed": …, "pages_written": …, "pages_moved": …, "pages_zero": …,
 *	 "bytes_written": …, "device_bytes": …,
 *	 "data": [[1, 250]], "fresh": [[249, 2]], "index": {"checkpoint": 42, "entries": 64000,
 *"segments": [[251, 2]]}, "deltas": [], "devices": [[253, 1]],
 *	 "pause": {"stop_us": …, "disks_us": …, "devices_us": …, "resume_us": …, "own_us": …},
 *	 "disks": [{"target": "vda", "storage": "rbd", "format": "raw", "way": "internal",
 *	            "source": "vms/web1", "conf": "", "user": "", "snapshot": …, "bytes": …}],
 *	 "xml": "<domain …"}
 *
 * The last three came later: one without them has no disks.
 */
#include "image/manifest.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "image/format.h"
#include "image/segments.h"

enum { JSON_DEPTH = 8 };

void manifest_clear(struct manifest *m)
{
	layout_clear(&m->layout);
	segment_list_clear(&m->data);
	segment_list_clear(&m->fresh);
	segment_list_clear(&m->index.segments);
	for (size_t i = 0; i < m->delta_count; i++)
		segment_list_clear(&m->deltas[i].segments);
	free(m->deltas);
	segment_list_clear(&m->devices);
	disk_list_clear(&m->disks);
	free(m->xml);
	*m = (struct manifest){0};
}

int entry_list_copy(struct entry_list *to, const struct entry_list *from, struct fault *f)
{
	size_t bytes = from->segments.count * sizeof(*from->segments.ranges);

	*to = *from;
	to->segments.ranges = malloc(bytes + 1);
	if (!to->segments.ranges) {
		to->segments.count = 0;
		return fault_errno(f, -ENOMEM, "copy a list of segments");
	}
	if (bytes)
		memcpy(to->segments.ranges, from->segments.ranges, bytes);
	return 0;
}

static void put_number(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void put_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void put_hex(struct json_object *o, const char *key, const uint8_t *bytes, size_t length)
{
	char text[2 * LAYOUT_CONFIGURATION_MAX + 1] = "";

	for (size_t i = 0; i < length; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	put_text(o, key, text);
}

static void put_segments(struct json_object *o, const char *key, const struct segment_list *l)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < l->count; i++) {
		struct json_object *range = json_object_new_array_ext(2);

		json_object_array_add(range, json_object_new_uint64(l->ranges[i].first));
		json_object_array_add(range, json_object_new_uint64(l->ranges[i].count));
		json_object_array_add(list, range);
	}
	json_object_object_add(o, key, list);
}

static struct json_object *entry_list_object(const struct entry_list *l)
{
	struct json_object *o = json_object_new_object();

	put_number(o, "checkpoint", l->checkpoint);
	put_number(o, "entries", l->entries);
	put_segments(o, "segments", &l->segments);
	return o;
}

static void put_entry_lists(struct json_object *o, const struct manifest *m)
{
	struct json_object *deltas = json_object_new_array();

	json_object_object_add(o, "index", entry_list_object(&m->index));
	for (size_t i = 0; i < m->delta_count; i++)
		json_object_array_add(deltas, entry_list_object(&m->deltas[i]));
	json_object_object_add(o, "deltas", deltas);
}

static void put_layout(struct json_object *o, const struct ram_layout *l)
{
	struct json_object *blocks = json_object_new_array();

	put_text(o, "machine", l->machine);
	put_number(o, "page_bytes", l->page_bytes);
	put_number(o, "ram_section_id", l->ram_section_id);
	put_hex(o, "configuration", l->configuration, l->configuration_bytes);
	for (size_t i = 0; i < l->block_count; i++) {
		struct json_object *block = json_object_new_object();

		put_text(block, "name", l->blocks[i].name);
		put_number(block, "bytes", l->blocks[i].bytes);
		json_object_array_add(blocks, block);
	}
	json_object_object_add(o, "blocks", blocks);
}

static void put_pause(struct json_object *o, const struct pause_parts *p)
{
	struct json_object *pause = json_object_new_object();

	put_number(pause, "stop_us", p->stop_us);
	put_number(pause, "disks_us", p->disks_us);
	put_number(pause, "devices_us", p->devices_us);
	put_number(pause, "resume_us", p->resume_us);
	put_number(pause, "own_us", p->own_us);
	json_object_object_add(o, "pause", pause);
}

static const char *const storages[] = {[DISK_FILE] = "file", [DISK_RBD] = "rbd", NULL};
static const char *const formats[] = {[DISK_RAW] = "raw", [DISK_QCOW2] = "qcow2", NULL};
static const char *const ways[] = {[DISK_INTERNAL] = "internal", [DISK_REFLINK] = "reflink", NULL};

static void put_disks(struct json_object *o, const struct disk_list *l)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < l->count; i++) {
		const struct disk *d = &l->disks[i];
		struct json_object *disk = json_object_new_object();

		put_text(disk, "target", d->target);
		put_text(disk, "storage", storages[d->storage]);
		put_text(disk, "format", formats[d->format]);
		put_text(disk, "way", ways[d->way]);
		put_text(disk, "source", d->source);
		put_text(disk, "conf", d->conf);
		put_text(disk, "user", d->user);
		put_text(disk, "snapshot", d->snapshot);
		put_number(disk, "bytes", d->bytes);
		json_object_array_add(list, disk);
	}
	json_object_object_add(o, "disks", list);
}

int manifest_encode(const struct manifest *m, char **text, size_t *length, struct fault *f)
{
	struct json_object *o = json_object_new_object();

	put_number(o, "format", FORMAT_VERSION);
	put_text(o, "guest", m->guest);
	put_number(o, "epoch", m->id.epoch);
	put_number(o, "number", m->id.number);
	put_number(o, "time_ms", m->time_ms);
	put_number(o, "pause_us", m->pause_us);
	put_text(o, "qemu", m->qemu_version);
	put_layout(o, &m->layout);
	put_number(o, "base", m->base);
	put_number(o, "pages_changed", m->pages_changed);
	put_number(o, "pages_written", m->pages_written);
	put_number(o, "pages_moved", m->pages_moved);
	put_number(o, "pages_zero", m->pages_zero);
	put_number(o, "bytes_written", m->bytes_written);
	put_number(o, "device_bytes", m->device_bytes);
	put_segments(o, "data", &m->data);
	put_segments(o, "fresh", &m->fresh);
	put_entry_lists(o, m);
	put_segments(o, "devices", &m->devices);
	put_pause(o, &m->pause);
	put_disks(o, &m->disks);
	if (m->xml)
		put_text(o, "xml", m->xml);

	const char *json = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	*text = json ? strdup(json) : NULL;
	json_object_put(o);
	if (!*text)
		return fault_errno(f, -ENOMEM, "write the manifest");
	*length = strlen(*text);
	return 0;
}

/* A decoder's fields: the first one that is wrong is remembered, the others read as empty. */
struct fields {
	struct json_object *object;
	const char *wrong;
};

static struct json_object *get(struct fields *in, const char *key, enum json_type type)
{
	struct json_object *value = NULL;

	if (json_object_object_get_ex(in->object, key, &value) &&
	    json_object_get_type(value) == type)
		return value;
	if (!in->wrong)
		in->wrong = key;
	return NULL;
}

static uint64_t get_number(struct fields *in, const char *key, uint64_t max)
{
	struct json_object *value = get(in, key, json_type_int);

	if (!value)
		return 0;
	if (json_object_get_int64(value) >= 0 && json_object_get_uint64(value) <= max)
		return json_object_get_uint64(value);
	if (!in->wrong)
		in->wrong = key;
	return 0;
}

static void get_text(struct fields *in, const char *key, char *text, size_t room)
{
	struct json_object *value = get(in, key, json_type_string);
	size_t length = value ? json_object_get_string_len(value) : 0;

	text[0] = '\0';
	if (!value)
		return;
	if (length < room && strlen(json_object_get_string(value)) == length)
		memcpy(text, json_object_get_string(value), length + 1);
	else if (!in->wrong)
		in->wrong = key;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t get_hex(struct fields *in, const char *key, uint8_t *bytes, size_t room)
{
	struct json_object *value = get(in, key, json_type_string);
	const char *text = value ? json_object_get_string(value) : "";
	size_t length = strlen(text) / 2;

	if (length > room || strlen(text) % 2)
		length = 0;
	for (size_t i = 0; i < length; i++) {
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			length = 0;
			break;
		}
		bytes[i] = high << 4 | low;
	}
	if (!length && !in->wrong)
		in->wrong = key;
	return length;
}

/* 0 where it is not a whole number above 0. */
static uint64_t number_at(struct json_object *list, size_t i)
{
	struct json_object *value = json_object_array_get_idx(list, i);

	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return 0;
	return json_object_get_uint64(value);
}

static void get_segments(struct fields *in, const char *key, struct segment_list *l)
{
	struct json_object *list = get(in, key, json_type_array);
	size_t count = list ? json_object_array_length(list) : 0;

	l->ranges = calloc(count + 1, sizeof(*l->ranges));
	for (size_t i = 0; l->ranges && i < count; i++) {
		struct json_object *range = json_object_array_get_idx(list, i);
		bool pair = json_object_is_type(range, json_type_array) &&
			    json_object_array_length(range) == 2;
		uint64_t first = pair ? number_at(range, 0) : 0;
		uint64_t n = pair ? number_at(range, 1) : 0;

		if (!first || !n || first >= SEGMENTS_MAX || n > SEGMENTS_MAX - first)
			break;
		l->ranges[l->count++] = (struct segment_range){first, n};
	}
	if (l->count < count && !in->wrong)
		in->wrong = key;
}

static void get_entry_list(struct fields *in, const char *key, struct json_object *object,
			   struct entry_list *l)
{
	struct fields list = {object, NULL};

	l->checkpoint = get_number(&list, "checkpoint", UINT64_MAX);
	l->entries = get_number(&list, "entries", UINT32_MAX);
	get_segments(&list, "segments", &l->segments);
	if (list.wrong && !in->wrong)
		in->wrong = key;
}

static void get_entry_lists(struct fields *in, struct manifest *m)
{
	struct json_object *deltas = get(in, "deltas", json_type_array);
	size_t count = deltas ? json_object_array_length(deltas) : 0;

	get_entry_list(in, "index", get(in, "index", json_type_object), &m->index);
	m->deltas = calloc(count + 1, sizeof(*m->deltas));
	for (size_t i = 0; m->deltas && i < count; i++)
		get_entry_list(in, "deltas", json_object_array_get_idx(deltas, i),
			       &m->deltas[m->delta_count++]);
	if (m->delta_count < count && !in->wrong)
		in->wrong = "deltas";
}

static int get_blocks(struct fields *in, struct ram_layout *l, struct fault *f)
{
	struct json_object *list = get(in, "blocks", json_type_array);
	size_t count = list ? json_object_array_length(list) : 0;

	for (size_t i = 0; i < count && !in->wrong; i++) {
		struct fields block = {json_object_array_get_idx(list, i), NULL};
		char name[LAYOUT_NAME_BYTES];
		get_text(&block, "name", name, sizeof(name));
		uint64_t bytes = get_number(&block, "bytes", INT64_MAX);

		if (block.wrong) {
			in->wrong = "blocks";
		} else if (layout_add_block(l, name, bytes, f) < 0) {
			f->code = f->code == -ENOMEM ? -ENOMEM : -EBADMSG;
			return fault_wrap(f, "the manifest's field \"blocks\"");
		}
	}
	return 0;
}

static int get_layout(struct fields *in, struct ram_layout *l, struct fault *f)
{
	get_text(in, "machine", l->machine, sizeof(l->machine));
	l->page_bytes = get_number(in, "page_bytes", 1 << 16);
	if (!in->wrong && (l->page_bytes < 1024 || (l->page_bytes & (l->page_bytes - 1))))
		in->wrong = "page_bytes";
	l->ram_section_id = get_number(in, "ram_section_id", UINT32_MAX);
	l->configuration_bytes =
		get_hex(in, "configuration", l->configuration, sizeof(l->configuration));
	return in->wrong ? 0 : get_blocks(in, l, f);
}

static void get_pause(struct fields *in, struct pause_parts *p)
{
	struct fields pause = {get(in, "pause", json_type_object), NULL};

	p->stop_us = get_number(&pause, "stop_us", INT64_MAX);
	p->disks_us = get_number(&pause, "disks_us", INT64_MAX);
	p->devices_us = get_number(&pause, "devices_us", INT64_MAX);
	p->resume_us = get_number(&pause, "resume_us", INT64_MAX);
	p->own_us = get_number(&pause, "own_us", INT64_MAX);
	if (pause.wrong && !in->wrong)
		in->wrong = "pause";
}

/* Which of the words, 0 where it is none. */
static int get_word(struct fields *in, const char *key, const char *const words[])
{
	char text[16];

	get_text(in, key, text, sizeof(text));
	for (int i = 0; words[i]; i++)
		if (!strcmp(text, words[i]))
			return i;
	if (!in->wrong)
		in->wrong = key;
	return 0;
}

static void get_disk(struct fields *in, struct disk *d)
{
	get_text(in, "target", d->target, sizeof(d->target));
	d->storage = get_word(in, "storage", storages);
	d->format = get_word(in, "format", formats);
	d->way = get_word(in, "way", ways);
	get_text(in, "source", d->source, sizeof(d->source));
	get_text(in, "conf", d->conf, sizeof(d->conf));
	get_text(in, "user", d->user, sizeof(d->user));
	get_text(in, "snapshot", d->snapshot, sizeof(d->snapshot));
	d->bytes = get_number(in, "bytes", INT64_MAX);
}

static void get_disks(struct fields *in, struct disk_list *l)
{
	struct json_object *list = get(in, "disks", json_type_array);
	size_t count = list ? json_object_array_length(list) : 0;

	l->disks = count ? calloc(count, sizeof(*l->disks)) : NULL;
	for (size_t i = 0; l->disks && i < count; i++) {
		struct fields disk = {json_object_array_get_idx(list, i), NULL};

		get_disk(&disk, &l->disks[l->count++]);
		if (disk.wrong && !in->wrong)
			in->wrong = "disks";
	}
	if (l->count < count && !in->wrong)
		in->wrong = "disks";
}

static void get_xml(struct fields *in, char **xml)
{
	struct json_object *value = get(in, "xml", json_type_string);
	const char *text = value ? json_object_get_string(value) : "";

	if (value && strlen(text) == (size_t)json_object_get_string_len(value))
		*xml = strdup(text);
	if (!*xml && !in->wrong)
		in->wrong = "xml";
}

/* What came after the first version. */
static void get_later_fields(struct fields *in, struct manifest *m)
{
	if (json_object_object_get_ex(in->object, "pause", NULL))
		get_pause(in, &m->pause);
	if (json_object_object_get_ex(in->object, "disks", NULL))
		get_disks(in, &m->disks);
	if (json_object_object_get_ex(in->object, "xml", NULL))
		get_xml(in, &m->xml);
}

static int get_manifest(struct fields *in, struct manifest *m, struct fault *f)
{
	uint64_t version = get_number(in, "format", UINT32_MAX);

	if (!in->wrong && version != FORMAT_VERSION)
		return fault_set(f, -EOPNOTSUPP,
				 "the manifest has format version %llu, this vmguard reads %d: "
				 "update vmguard",
				 (unsigned long long)version, FORMAT_VERSION);
	get_text(in, "guest", m->guest, sizeof(m->guest));
	m->id.epoch = get_number(in, "epoch", UINT64_MAX);
	m->id.number = get_number(in, "number", UINT64_MAX);
	m->time_ms = get_number(in, "time_ms", INT64_MAX);
	m->pause_us = get_number(in, "pause_us", INT64_MAX);
	get_text(in, "qemu", m->qemu_version, sizeof(m->qemu_version));
	int r = get_layout(in, &m->layout, f);
	if (r < 0)
		return r;
	m->base = get_number(in, "base", UINT64_MAX);
	m->pages_changed = get_number(in, "pages_changed", UINT64_MAX);
	m->pages_written = get_number(in, "pages_written", UINT64_MAX);
	m->pages_moved = get_number(in, "pages_moved", UINT64_MAX);
	m->pages_zero = get_number(in, "pages_zero", UINT32_MAX);
	m->bytes_written = get_number(in, "bytes_written", UINT64_MAX);
	m->device_bytes = get_number(in, "device_bytes", INT32_MAX);
	get_segments(in, "data", &m->data);
	get_segments(in, "fresh", &m->fresh);
	get_entry_lists(in, m);
	get_segments(in, "devices", &m->devices);
	get_later_fields(in, m);
	return 0;
}

int manifest_decode(struct manifest *m, const char *text, size_t length, struct fault *f)
{
	*m = (struct manifest){0};
	struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH);
	if (!tokener)
		return fault_errno(f, -ENOMEM, "read the manifest");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT);
	struct fields in = {json_tokener_parse_ex(tokener, text, length), NULL};
	int r = json_tokener_get_error(tokener) != json_tokener_success ||
				!json_object_is_type(in.object, json_type_object)
			? fault_set(f, -EBADMSG, "the manifest is not JSON")
			: get_manifest(&in, m, f);
	if (!r && in.wrong)
		r = fault_set(f, -EBADMSG, "the manifest's field \"%s\" is missing or wrong",
			      in.wrong);
	json_object_put(in.object);
	json_tokener_free(tokener);
	if (r < 0)
		manifest_clear(m);
	return r;
}

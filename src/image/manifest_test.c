/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/manifest.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "image/format.h"
#include "image/segments.h"
#include "unit.h"

static struct fault fault;

static const char valid[] =
	"{\"format\":1,\"guest\":\"web1\",\"epoch\":3,\"number\":42,\"time_ms\":1700000000000,"
	"\"pause_us\":910,\"qemu\":\"7.2.22\",\"machine\":\"pc-i440fx-7.2\",\"page_bytes\":4096,"
	"\"ram_section_id\":2,\"configuration\":\"0700ff\","
	"\"blocks\":[{\"name\":\"pc.ram\",\"bytes\":8388608},{\"name\":\"pc.rom\",\"bytes\":100}],"
	"\"base\":41,\"pages_changed\":99,\"pages_written\":1746,\"pages_moved\":7,"
	"\"pages_zero\":303,\"bytes_written\":7737952,"
	"\"device_bytes\":12888,\"data\":[[1,1],[3,1]],\"fresh\":[[3,1]],"
	"\"index\":{\"checkpoint\":40,\"entries\":1740,\"segments\":[[2,1]]},"
	"\"deltas\":[{\"checkpoint\":41,\"entries\":9,\"segments\":[[6,1],[8,2]]},"
	"{\"checkpoint\":42,\"entries\":0,\"segments\":[]}],\"devices\":[[4,1]],"
	"\"pause\":{\"stop_us\":100,\"disks_us\":500,\"devices_us\":200,\"resume_us\":60,"
	"\"own_us\":50},"
	"\"disks\":[{\"target\":\"vda\",\"storage\":\"rbd\",\"format\":\"raw\","
	"\"way\":\"internal\",\"source\":\"vms\\/web1\",\"conf\":\"c\",\"user\":\"u\","
	"\"snapshot\":\"vmguard-3-42-0123abcd\",\"bytes\":1048576},"
	"{\"target\":\"vdb\",\"storage\":\"file\",\"format\":\"raw\",\"way\":\"reflink\","
	"\"source\":\"d\",\"conf\":\"\",\"user\":\"\",\"snapshot\":\"s\",\"bytes\":0}],"
	"\"xml\":\"<domain>\"}";

static int decode(struct manifest *m, const char *text)
{
	memset(m, 0xa5, sizeof(*m)); /* what it was before does not matter */
	return manifest_decode(m, text, strlen(text), &fault);
}

static char *encode(const struct manifest *m)
{
	char *text;
	size_t length;

	ck_assert_int_eq(manifest_encode(m, &text, &length, &fault), 0);
	ck_assert_uint_eq(length, strlen(text));
	return text;
}

static void must_refuse(const char *text, int code, const char *words)
{
	struct manifest m;

	ck_assert_msg(decode(&m, text) == code, "%s: %d, %s", text, fault.code, fault.text);
	ck_assert_msg(strstr(fault.text, words), "%s: %s instead of %s", text, fault.text, words);
	ck_assert_ptr_null(m.layout.blocks);
	ck_assert_ptr_null(m.data.ranges);
	ck_assert_ptr_null(m.deltas);
}

START_TEST(reads_every_field)
{
	struct manifest m;

	ck_assert_msg(decode(&m, valid) == 0, "%s", fault.text);
	ck_assert_str_eq(m.guest, "web1");
	ck_assert_uint_eq(m.id.epoch, 3);
	ck_assert_uint_eq(m.id.number, 42);
	ck_assert_int_eq(m.time_ms, 1700000000000);
	ck_assert_int_eq(m.pause_us, 910);
	ck_assert_str_eq(m.qemu_version, "7.2.22");
	ck_assert_str_eq(m.layout.machine, "pc-i440fx-7.2");
	ck_assert_uint_eq(m.layout.page_bytes, 4096);
	ck_assert_uint_eq(m.layout.ram_section_id, 2);
	ck_assert_uint_eq(m.layout.configuration_bytes, 3);
	ck_assert_mem_eq(m.layout.configuration, "\x07\0\xff", 3);
	ck_assert_uint_eq(m.layout.block_count, 2);
	ck_assert_str_eq(m.layout.blocks[1].name, "pc.rom");
	ck_assert_uint_eq(m.layout.pages, 2049);
	ck_assert_uint_eq(m.base, 41);
	ck_assert_uint_eq(m.pages_changed, 99);
	ck_assert_uint_eq(m.pages_moved, 7);
	ck_assert_uint_eq(m.pages_zero, 303);
	ck_assert_uint_eq(m.pages_written, 1746);
	ck_assert_uint_eq(m.bytes_written, 7737952);
	ck_assert_uint_eq(m.device_bytes, 12888);
	manifest_clear(&m);
}
END_TEST

START_TEST(reads_every_list_of_segments)
{
	struct manifest m;

	ck_assert_msg(decode(&m, valid) == 0, "%s", fault.text);
	ck_assert_uint_eq(m.data.count, 2);
	ck_assert_uint_eq(m.data.ranges[1].first, 3);
	ck_assert_uint_eq(m.index.checkpoint, 40);
	ck_assert_uint_eq(m.index.segments.ranges[0].first, 2);
	ck_assert_uint_eq(m.delta_count, 2);
	ck_assert_uint_eq(m.deltas[0].checkpoint, 41);
	ck_assert_uint_eq(segment_list_count(&m.deltas[0].segments), 3);
	ck_assert_uint_eq(m.deltas[1].segments.count, 0);
	ck_assert_uint_eq(m.devices.ranges[0].first, 4);
	manifest_clear(&m);
}
END_TEST

START_TEST(reads_the_disks_and_the_definition)
{
	struct manifest m;

	ck_assert_msg(decode(&m, valid) == 0, "%s", fault.text);
	ck_assert_int_eq(m.pause.disks_us, 500);
	ck_assert_int_eq(m.pause.own_us, 50);
	ck_assert_uint_eq(m.disks.count, 2);
	ck_assert_str_eq(m.disks.disks[0].target, "vda");
	ck_assert_int_eq(m.disks.disks[0].storage, DISK_RBD);
	ck_assert_int_eq(m.disks.disks[0].format, DISK_RAW);
	ck_assert_int_eq(m.disks.disks[0].way, DISK_INTERNAL);
	ck_assert_str_eq(m.disks.disks[0].source, "vms/web1");
	ck_assert_str_eq(m.disks.disks[0].snapshot, "vmguard-3-42-0123abcd");
	ck_assert_uint_eq(m.disks.disks[0].bytes, 1048576);
	ck_assert_int_eq(m.disks.disks[1].way, DISK_REFLINK);
	ck_assert_str_eq(m.xml, "<domain>");
	manifest_clear(&m);
}
END_TEST

START_TEST(reads_one_from_before_there_were_disks)
{
	static const char *const later[] = {"pause", "disks", "xml"};
	struct json_object *o = json_tokener_parse(valid);
	struct manifest m;

	for (size_t i = 0; i < 3; i++)
		json_object_object_del(o, later[i]);
	ck_assert_int_eq(decode(&m, json_object_to_json_string(o)), 0);
	ck_assert_uint_eq(m.disks.count, 0);
	ck_assert_ptr_null(m.xml);
	ck_assert_int_eq(m.pause.stop_us, 0);
	json_object_put(o);
	manifest_clear(&m);
}
END_TEST

START_TEST(writes_what_it_read)
{
	struct manifest m;

	ck_assert_msg(decode(&m, valid) == 0, "%s", fault.text);
	auto_free char *text = encode(&m);
	ck_assert_str_eq(text, valid);
	manifest_clear(&m);
}
END_TEST

START_TEST(keeps_block_names_whatever_is_in_them)
{
	static const char *const names[] = {
		"/rom@etc/acpi/tables",
		"\"quoted\" \\ back",
		"tab\tnewline\nbell\a\x01\x7f",
		"\xc3\xbc\xe2\x82\xac",
		"\xff\xfe\x80 no UTF-8",
		"null\\u0000",
		"0000:00:02.0/vga.vram",
		"{\"a\":[1,",
		" ",
	};
	enum { NAMES = sizeof(names) / sizeof(names[0]) };
	struct manifest m = {.guest = "g", .layout = {.page_bytes = 4096}};
	struct manifest again;
	char longest[LAYOUT_NAME_BYTES] = "";

	memset(longest, '"', sizeof(longest) - 1);
	m.layout.configuration_bytes = LAYOUT_CONFIGURATION_MAX;
	for (int i = 0; i < NAMES; i++)
		ck_assert_int_eq(layout_add_block(&m.layout, names[i], 1 + i, &fault), 0);
	ck_assert_int_eq(layout_add_block(&m.layout, longest, 1, &fault), 0);
	auto_free char *text = encode(&m);
	ck_assert_msg(decode(&again, text) == 0, "%s", fault.text);
	ck_assert_uint_eq(again.layout.block_count, NAMES + 1);
	for (int i = 0; i < NAMES; i++)
		ck_assert_str_eq(again.layout.blocks[i].name, names[i]);
	ck_assert_str_eq(again.layout.blocks[NAMES].name, longest);
	manifest_clear(&again);
	manifest_clear(&m);
}
END_TEST

/* Sets a field of `valid` (NULL: takes it out) and gives the text. */
static char *valid_with(const char *key, const char *value)
{
	struct json_object *o = json_tokener_parse(valid);

	json_object_object_del(o, key);
	if (value)
		json_object_object_add(o, key, json_tokener_parse(value));
	char *text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
	return text;
}

static void must_refuse_field(const char *key, const char *value)
{
	auto_free char *text = valid_with(key, value);
	char words[64];

	snprintf(words, sizeof(words), "the manifest's field \"%s\"", key);
	must_refuse(text, -EBADMSG, words);
}

START_TEST(names_what_is_wrong_with_the_disks)
{
	static const char *const disks[] = {
		"1", "{}", "[1]", "[{}]", "[null]", "[{\"target\":\"vda\",\"storage\":\"tape\"}]"};
	static const char *const pauses[] = {"1", "[]", "{}", "{\"stop_us\":-1}"};
	static const char *const xmls[] = {"1", "{}", "\"a\\u0000b\""};

	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++)
		must_refuse_field("disks", disks[i]);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
		must_refuse_field("pause", pauses[i]);
	for (size_t i = 0; i < sizeof(xmls) / sizeof(xmls[0]); i++)
		must_refuse_field("xml", xmls[i]);
}
END_TEST

static const char *const numbers[] = {"format",	      "epoch",	       "number",
				      "time_ms",      "pause_us",      "page_bytes",
				      "pages_zero",   "pages_written", "bytes_written",
				      "device_bytes", "ram_section_id"};
static const char *const texts[] = {"guest", "qemu", "machine", "configuration"};
static const char *const lists[] = {"data", "devices", "deltas", "blocks"};

START_TEST(names_a_field_that_is_missing_or_of_another_type)
{
	static const char *const no_number[] = {NULL,  "\"1\"", "[]",	"{}",
						"1.5", "true",	"null", "-1"};
	static const char *const no_text[] = {NULL, "1", "[\"a\"]", "{}", "null"};
	static const char *const no_list[] = {NULL,   "1",   "\"[]\"", "{}",
					      "null", "[1]", "[null]", "[[]]"};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		for (size_t k = 0; k < sizeof(no_number) / sizeof(no_number[0]); k++)
			must_refuse_field(numbers[i], no_number[k]);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t k = 0; k < sizeof(no_text) / sizeof(no_text[0]); k++)
			must_refuse_field(texts[i], no_text[k]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t k = 0; k < sizeof(no_list) / sizeof(no_list[0]); k++)
			must_refuse_field(lists[i], no_list[k]);
	must_refuse_field("index", NULL);
	must_refuse_field("index", "[]");
}
END_TEST

START_TEST(names_a_field_that_is_out_of_range)
{
	static const char *const wrong[][2] = {
		{"time_ms", "9223372036854775808"},
		{"pause_us", "18446744073709551615"},
		{"page_bytes", "0"},
		{"page_bytes", "512"},
		{"page_bytes", "4095"},
		{"page_bytes", "131072"},
		{"ram_section_id", "4294967296"},
		{"pages_zero", "4294967296"},
		{"device_bytes", "2147483648"},
		{"guest", "\"a name of more than sixty-four characters, which no guest can have\""},
		{"guest", "\"a\\u0000b\""},
		{"configuration", "\"\""},
		{"configuration", "\"abc\""},
		{"configuration", "\"0g\""},
		{"configuration", "\"AB\""},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		must_refuse_field(wrong[i][0], wrong[i][1]);
}
END_TEST

START_TEST(names_a_list_with_a_wrong_entry)
{
	static const char *const ranges[] = {
		"[[1,1],[0,1]]",    "[[1,1],[2,0]]", "[[1]]",	  "[[1,2,3]]",
		"[[2147483647,1]]", "[[-1,1]]",	     "[[1,-1]]",  "[[1,2147483647]]",
		"[[\"1\",1]]",	    "[[1,\"1\"]]",   "[[1.5,1]]", "[[1,true]]",
		"[{\"1\":1}]",
	};
	static const char *const blocks[] = {
		"[{}]",
		"[{\"name\":\"a\"}]",
		"[{\"name\":\"a\",\"bytes\":\"1\"}]",
		"[{\"name\":1,\"bytes\":1}]",
		"[{\"name\":\"\",\"bytes\":1}]",
		"[{\"name\":\"a\",\"bytes\":0}]",
		"[{\"name\":\"a\",\"bytes\":-4096}]",
		"[{\"name\":\"a\",\"bytes\":9223372036854775807}]",
		"[{\"name\":\"a\",\"bytes\":1},{\"name\":\"a\",\"bytes\":1}]",
	};
	char text[128];

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		must_refuse_field("data", ranges[i]);
		must_refuse_field("devices", ranges[i]);
		snprintf(text, sizeof(text), "{\"checkpoint\":1,\"entries\":1,\"segments\":%s}",
			 ranges[i]);
		must_refuse_field("index", text);
		snprintf(text, sizeof(text), "[{\"checkpoint\":1,\"entries\":1,\"segments\":%s}]",
			 ranges[i]);
		must_refuse_field("deltas", text);
	}
	must_refuse_field("deltas", "[{\"entries\":1,\"segments\":[[1,1]]}]");
	must_refuse_field("deltas", "[{\"checkpoint\":1,\"segments\":[[1,1]]}]");
	must_refuse_field("index", "{\"checkpoint\":1}");
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		must_refuse_field("blocks", blocks[i]);
}
END_TEST

START_TEST(says_that_it_does_not_read_another_version)
{
	auto_free char *text = valid_with("format", "2");

	must_refuse(text, -EOPNOTSUPP,
		    "the manifest has format version 2, this vmguard reads 1: update vmguard");
}
END_TEST

START_TEST(refuses_what_is_not_a_json_object)
{
	static const char *const texts_[] = {"",      "  ", "12",  "null",	 "[]",
					     "\"a\"", "{",  "{}x", "{\"a\":1,}", "\xef\xbb\xbf{}"};

	for (size_t i = 0; i < sizeof(texts_) / sizeof(texts_[0]); i++)
		must_refuse(texts_[i], -EBADMSG, "the manifest is not JSON");
	must_refuse("{}", -EBADMSG, "\"format\"");
}
END_TEST

START_TEST(refuses_a_manifest_cut_anywhere)
{
	struct manifest m;

	for (size_t length = 0; length < sizeof(valid) - 1; length++)
		ck_assert_int_eq(manifest_decode(&m, valid, length, &fault), -EBADMSG);
	ck_assert_int_eq(manifest_decode(&m, valid, sizeof(valid) - 1, &fault), 0);
	manifest_clear(&m);
}
END_TEST

START_TEST(refuses_json_that_is_deep_or_huge)
{
	struct manifest m;
	enum { DEEP = 100000 };
	auto_free char *text = malloc(BLOCK_PAYLOAD_MAX);

	memset(text, '[', DEEP);
	ck_assert_int_eq(manifest_decode(&m, text, DEEP, &fault), -EBADMSG);
	for (size_t i = 0; i < DEEP; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	ck_assert_int_eq(manifest_decode(&m, text, DEEP, &fault), -EBADMSG);
	/* As many empty ranges as a block holds. */
	size_t head = snprintf(text, BLOCK_PAYLOAD_MAX, "{\"format\":1,\"data\":[");
	for (size_t i = head; i + 3 <= BLOCK_PAYLOAD_MAX - 2; i += 3)
		memcpy(text + i, "[],", 3);
	size_t end = head + (BLOCK_PAYLOAD_MAX - 2 - head) / 3 * 3 - 1;
	memcpy(text + end, "]}", 2);
	ck_assert_int_eq(manifest_decode(&m, text, end + 2, &fault), -EBADMSG);
	ck_assert_ptr_nonnull(strstr(fault.text, "\"guest\""));
}
END_TEST

UNIT_MAIN("manifest", reads_every_field, reads_every_list_of_segments,
	  reads_the_disks_and_the_definition, reads_one_from_before_there_were_disks,
	  names_what_is_wrong_with_the_disks, writes_what_it_read,
	  keeps_block_names_whatever_is_in_them, names_a_field_that_is_missing_or_of_another_type,
	  names_a_field_that_is_out_of_range, names_a_list_with_a_wrong_entry,
	  says_that_it_does_not_read_another_version, refuses_what_is_not_a_json_object,
	  refuses_a_manifest_cut_anywhere, refuses_json_that_is_deep_or_huge)

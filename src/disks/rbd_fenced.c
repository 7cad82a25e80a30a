/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disks/rbd_fenced.h"

#include <json-c/json.h>
#include <string.h>

#define COMMAND "{\"prefix\": \"osd blocklist ls\", \"format\": \"json\"}"

bool rbd_fenced_find(const char *answer, size_t bytes, const char *address)
{
	auto_free char *text = strndup(answer, bytes);
	struct json_object *list = text ? json_tokener_parse(text) : NULL, *addr = NULL;
	bool found = false;

	size_t count =
		json_object_is_type(list, json_type_array) ? json_object_array_length(list) : 0;
	for (size_t i = 0; i < count && !found; i++)
		found = json_object_object_get_ex(json_object_array_get_idx(list, i), "addr",
						  &addr) &&
			json_object_is_type(addr, json_type_string) &&
			!strcmp(json_object_get_string(addr), address);
	json_object_put(list);
	return found;
}

/* Each OSD hears of the fence with our first request that is younger. */
bool rbd_is_fenced(struct rbd_job *j, const char *address)
{
	const char *command[] = {COMMAND};
	char *out = NULL, *words = NULL;
	size_t out_bytes = 0, words_bytes = 0;
	int r = rados_mon_command(j->rados, command, 1, "", 0, &out, &out_bytes, &words,
				  &words_bytes);
	bool fenced = !r && out && rbd_fenced_find(out, out_bytes, address);

	rados_buffer_free(out);
	rados_buffer_free(words);
	return fenced && !rados_wait_for_latest_osdmap(j->rados);
}

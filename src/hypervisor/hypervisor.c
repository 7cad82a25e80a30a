/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every backend can do with execute() and event(). */
#include "vmguard/hypervisor.h"

#include <stdio.h>
#include <string.h>

void hypervisor_close(struct hypervisor *h)
{
	if (h)
		h->ops->close(h);
}

/* Copies the text of a field, "" where it is missing. */
static void copy_text(struct json_object *object, const char *key, char text[32])
{
	struct json_object *value = NULL;

	text[0] = '\0';
	if (json_object_object_get_ex(object, key, &value))
		snprintf(text, 32, "%s", json_object_get_string(value));
}

int hypervisor_run_state(struct hypervisor *h, char state[32], struct fault *f)
{
	struct json_object *result = NULL;
	int r = hypervisor_execute(h, "query-status", NULL, &result, f);

	if (r < 0)
		return r;
	copy_text(result, "status", state);
	json_object_put(result);
	return 0;
}

int hypervisor_migration_status(struct hypervisor *h, char status[32], struct fault *f)
{
	struct json_object *result = NULL;
	int r = hypervisor_execute(h, "query-migrate", NULL, &result, f);

	if (r < 0)
		return r;
	copy_text(result, "status", status);
	if (!status[0])
		snprintf(status, 32, "none");
	json_object_put(result);
	return 0;
}

bool migration_is_over(const char *status)
{
	static const char *const over[] = {"none", "completed", "failed", "cancelled"};

	for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++)
		if (!strcmp(status, over[i]))
			return true;
	return false;
}

int hypervisor_uuid(struct hypervisor *h, char uuid[HYPERVISOR_UUID_BYTES], struct fault *f)
{
	static const char none[] = "00000000-0000-0000-0000-000000000000";
	struct json_object *result = NULL, *value = NULL;
	int r = hypervisor_execute(h, "query-uuid", NULL, &result, f);

	if (r < 0)
		return r;
	json_object_object_get_ex(result, "UUID", &value);
	const char *text = value ? json_object_get_string(value) : none;
	snprintf(uuid, HYPERVISOR_UUID_BYTES, "%s", strcmp(text, none) != 0 ? text : "");
	json_object_put(result);
	return 0;
}

static uint64_t number(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return json_object_get_uint64(value);
}

int hypervisor_ram_bytes(struct hypervisor *h, uint64_t *bytes, struct fault *f)
{
	struct json_object *result = NULL;
	int r = hypervisor_execute(h, "query-memory-size-summary", NULL, &result, f);

	if (r < 0)
		return r;
	*bytes = number(result, "base-memory") + number(result, "plugged-memory");
	json_object_put(result);
	return 0;
}

int hypervisor_set_capability(struct hypervisor *h, const char *capability, bool on,
			      struct fault *f)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *list = json_object_new_array_ext(1);
	struct json_object *entry = json_object_new_object();

	json_object_object_add(entry, "capability", json_object_new_string(capability));
	json_object_object_add(entry, "state", json_object_new_boolean(on));
	json_object_array_add(list, entry);
	json_object_object_add(arguments, "capabilities", list);
	if (hypervisor_execute(h, "migrate-set-capabilities", arguments, NULL, f) < 0)
		return fault_wrap(f, "switch capability %s %s", capability, on ? "on" : "off");
	return 0;
}

static int set_credentials(struct hypervisor *h, const char *name, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "tls-creds", json_object_new_string(name));
	return hypervisor_execute(h, "migrate-set-parameters", arguments, NULL, f);
}

int hypervisor_bar_migration(struct hypervisor *h, struct fault *f)
{
	return set_credentials(h, MIGRATION_BAR, f);
}

int hypervisor_lift_bar(struct hypervisor *h, struct fault *f)
{
	return set_credentials(h, "", f);
}

int hypervisor_unbar_migration(struct hypervisor *h, struct fault *f)
{
	struct json_object *result = NULL, *name = NULL;
	int r = hypervisor_execute(h, "query-migrate-parameters", NULL, &result, f);

	if (!r && json_object_object_get_ex(result, "tls-creds", &name) &&
	    json_object_is_type(name, json_type_string) &&
	    !strcmp(json_object_get_string(name), MIGRATION_BAR))
		r = hypervisor_lift_bar(h, f);
	json_object_put(result);
	return r;
}

int hypervisor_give_fd(struct hypervisor *h, int fd, const char *name, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "fdname", json_object_new_string(name));
	return h->ops->execute(h, "getfd", arguments, fd, NULL, f);
}

bool event_is_migration(const struct monitor_event *event, char status[32])
{
	status[0] = '\0';
	if (strcmp(event->name, "MIGRATION") != 0)
		return false;
	copy_text(event->data, "status", status);
	return true;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the guest agent's channel as QEMU has it:
 *
 *	/machine/peripheral[-anon]/…  virtserialport  name = org.qemu.guest_agent.0
 *	                                              chardev = LABEL
 *	/chardevs/LABEL               socket          addr = {type: unix, path: …}, connected
 *	query-chardev                 LABEL           filename = …,server=on
 *	                                              frontend-open: the guest has opened the port
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/guest_agent.h"

#define CHANNEL "org.qemu.guest_agent.0"

enum { NAME_BYTES = 256 };

static void copy_text(struct json_object *value, char text[NAME_BYTES])
{
	snprintf(text, NAME_BYTES, "%s",
		 json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "");
}

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(object, key, &value);
	return value;
}

static int qom_get(struct hypervisor *h, const char *path, const char *property,
		   struct json_object **value, struct fault *f)
{
	struct json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "path", json_object_new_string(path));
	json_object_object_add(arguments, "property", json_object_new_string(property));
	return hypervisor_execute(h, "qom-get", arguments, value, f);
}

static int qom_get_text(struct hypervisor *h, const char *path, const char *property,
			char text[NAME_BYTES], struct fault *f)
{
	struct json_object *value = NULL;
	int r = qom_get(h, path, property, &value, f);

	copy_text(value, text);
	json_object_put(value);
	return r;
}

/* 1: this object is the agent's port, and it leads to the chardev `label`. */
static int look_at_port(struct hypervisor *h, const char *path, char label[NAME_BYTES],
			struct fault *f)
{
	char name[NAME_BYTES];
	int r = qom_get_text(h, path, "name", name, f);

	if (r < 0 || strcmp(name, CHANNEL) != 0)
		return r;
	r = qom_get_text(h, path, "chardev", label, f);
	return r < 0 ? r : label[0] != '\0';
}

/* 1: found. A folder that is not there has no port. */
static int look_for_port(struct hypervisor *h, const char *folder, char label[NAME_BYTES],
			 struct fault *f)
{
	struct json_object *arguments = json_object_new_object();
	struct json_object *all = NULL;
	char name[NAME_BYTES], type[NAME_BYTES], path[2 * NAME_BYTES];

	json_object_object_add(arguments, "path", json_object_new_string(folder));
	int r = hypervisor_execute(h, "qom-list", arguments, &all, f);
	if (r < 0)
		return r == -EREMOTEIO ? 0 : r;
	for (size_t i = 0; !r && i < json_object_array_length(all); i++) {
		struct json_object *one = json_object_array_get_idx(all, i);

		copy_text(member(one, "type"), type);
		copy_text(member(one, "name"), name);
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (!strcmp(type, "child<virtserialport>"))
			r = look_at_port(h, path, label, f);
	}
	json_object_put(all);
	return r;
}

static int find_port(struct hypervisor *h, char label[NAME_BYTES], struct fault *f)
{
	int r = look_for_port(h, "/machine/peripheral", label, f);

	if (!r)
		r = look_for_port(h, "/machine/peripheral-anon", label, f);
	if (r)
		return r < 0 ? r : 0;
	return fault_set(f, -ENODEV, "the machine has no channel " CHANNEL);
}

struct chardev {
	char label[NAME_BYTES];
	char filename[NAME_BYTES]; /* "disconnected:unix:/run/web1.agent,server=on" */
	bool guest_opened;
};

static int describe_chardev(struct hypervisor *h, struct chardev *c, struct fault *f)
{
	struct json_object *all = NULL;
	char label[NAME_BYTES];
	int r = hypervisor_execute(h, "query-chardev", NULL, &all, f);

	if (r < 0)
		return r;
	for (size_t i = 0; i < json_object_array_length(all); i++) {
		struct json_object *one = json_object_array_get_idx(all, i);

		copy_text(member(one, "label"), label);
		if (strcmp(label, c->label) != 0)
			continue;
		copy_text(member(one, "filename"), c->filename);
		c->guest_opened = json_object_get_boolean(member(one, "frontend-open"));
	}
	json_object_put(all);
	return 0;
}

static int read_address(struct json_object *address, const struct chardev *c,
			char socket[GUEST_AGENT_PATH_BYTES], struct fault *f)
{
	char path[NAME_BYTES];

	copy_text(member(address, "path"), path);
	/* An abstract one has a name in place of a path. */
	if (!path[0] || strlen(path) >= GUEST_AGENT_PATH_BYTES || !strstr(c->filename, ",server") ||
	    json_object_get_boolean(member(address, "abstract")))
		return fault_set(f, -EOPNOTSUPP,
				 "the channel " CHANNEL " is %s, and no unix socket that QEMU "
				 "listens on",
				 c->filename);
	memcpy(socket, path, strlen(path) + 1);
	return 0;
}

static int chardev_socket(struct hypervisor *h, const struct chardev *c,
			  char socket[GUEST_AGENT_PATH_BYTES], struct fault *f)
{
	struct json_object *value = NULL;
	char path[2 * NAME_BYTES];

	snprintf(path, sizeof(path), "/chardevs/%s", c->label);
	int r = qom_get(h, path, "addr", &value, f);
	/* A file or a pipe has no address. */
	if (!r || r == -EREMOTEIO)
		r = read_address(value, c, socket, f);
	json_object_put(value);
	if (r < 0)
		return r;
	r = qom_get(h, path, "connected", &value, f);
	if (r < 0)
		return r;
	if (json_object_get_boolean(value))
		r = fault_set(f, -EBUSY, "somebody else is connected to the guest agent at %s",
			      socket);
	json_object_put(value);
	return r;
}

int guest_agent_find(struct hypervisor *h, char path[GUEST_AGENT_PATH_BYTES], struct fault *f)
{
	struct chardev c = {0};
	int r = find_port(h, c.label, f);

	if (!r)
		r = describe_chardev(h, &c, f);
	if (!r)
		r = chardev_socket(h, &c, path, f);
	if (r < 0 || c.guest_opened)
		return r;
	return fault_set(f, -ENOTCONN,
			 "nobody in the guest has opened the channel " CHANNEL
			 ": qemu-ga does not run there");
}

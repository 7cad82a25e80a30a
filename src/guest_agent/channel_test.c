/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Before a QEMU that answers as 7.2 does. */
#include <errno.h>
#include <string.h>

#include "unit.h"
#include "vmguard/guest_agent.h"

#define SOCKET "/run/web1.agent"
#define LISTENING "disconnected:unix:" SOCKET ",server=on"

static struct fault fault;
static char path[GUEST_AGENT_PATH_BYTES];

/* What differs from case to case; the rest is in fake_execute(). */
struct fake_qemu {
	struct hypervisor base;
	const char *port_name;
	const char *address; /* NULL: the chardev has none */
	const char *filename;
	bool connected, guest_opened;
};

static const struct fake_qemu usual = {
	.port_name = "org.qemu.guest_agent.0",
	.address = "{\"type\": \"unix\", \"path\": \"" SOCKET "\"}",
	.filename = LISTENING,
	.guest_opened = true,
};

static struct json_object *chardevs(const struct fake_qemu *q)
{
	struct json_object *all = json_tokener_parse(
		"[{\"label\": \"serial0\", \"filename\": \"vc\", \"frontend-open\": true}]");
	struct json_object *ours = json_object_new_object();

	json_object_object_add(ours, "label", json_object_new_string("agent"));
	json_object_object_add(ours, "filename", json_object_new_string(q->filename));
	json_object_object_add(ours, "frontend-open", json_object_new_boolean(q->guest_opened));
	json_object_array_add(all, ours);
	return all;
}

static struct json_object *list(const char *folder)
{
	if (!strcmp(folder, "/machine/peripheral"))
		return NULL; /* a machine whose devices have no ids */
	return json_tokener_parse(
		"[{\"name\": \"type\", \"type\": \"string\"},"
		"{\"name\": \"device[0]\", \"type\": \"child<e1000>\"},"
		"{\"name\": \"device[1]\", \"type\": \"child<virtserialport>\"}]");
}

static struct json_object *get(const struct fake_qemu *q, const char *object, const char *property)
{
	bool port = !strcmp(object, "/machine/peripheral-anon/device[1]");

	ck_assert(port || !strcmp(object, "/chardevs/agent"));
	if (!strcmp(property, "name"))
		return json_object_new_string(q->port_name);
	if (!strcmp(property, "chardev"))
		return json_object_new_string("agent");
	if (!strcmp(property, "connected"))
		return json_object_new_boolean(q->connected);
	ck_assert_str_eq(property, "addr");
	return q->address ? json_tokener_parse(q->address) : NULL;
}

static const char *argument(struct json_object *arguments, const char *key)
{
	return json_object_get_string(json_object_object_get(arguments, key));
}

static int fake_execute(struct hypervisor *h, const char *command, struct json_object *arguments,
			int pass_fd, struct json_object **result, struct fault *f)
{
	const struct fake_qemu *q = (const struct fake_qemu *)h;

	(void)pass_fd;
	if (!strcmp(command, "query-chardev"))
		*result = chardevs(q);
	else if (!strcmp(command, "qom-list"))
		*result = list(argument(arguments, "path"));
	else
		*result = get(q, argument(arguments, "path"), argument(arguments, "property"));
	json_object_put(arguments);
	return *result ? 0 : fault_set(f, -EREMOTEIO, "QEMU refused %s", command);
}

static int find(struct fake_qemu q)
{
	static const struct hypervisor_ops ops = {.name = "fake", .execute = fake_execute};

	q.base.ops = &ops;
	path[0] = '\0';
	return guest_agent_find(&q.base, path, &fault);
}

START_TEST(finds_the_socket_whether_or_not_it_was_ever_used)
{
	struct fake_qemu q = usual;

	ck_assert_int_eq(find(q), 0);
	ck_assert_str_eq(path, SOCKET);
	q.filename = "unix:" SOCKET ",server=on";
	ck_assert_int_eq(find(q), 0);
}
END_TEST

START_TEST(says_that_a_machine_has_no_channel)
{
	struct fake_qemu q = usual;

	q.port_name = "com.redhat.spice.0";
	ck_assert_int_eq(find(q), -ENODEV);
	ck_assert_str_eq(fault.text, "the machine has no channel org.qemu.guest_agent.0");
}
END_TEST

START_TEST(says_that_nobody_in_the_guest_listens)
{
	struct fake_qemu q = usual;

	q.guest_opened = false;
	ck_assert_int_eq(find(q), -ENOTCONN);
}
END_TEST

START_TEST(leaves_a_socket_alone_that_somebody_uses)
{
	struct fake_qemu q = usual;

	q.connected = true;
	ck_assert_int_eq(find(q), -EBUSY);
	ck_assert_ptr_nonnull(strstr(fault.text, SOCKET));
}
END_TEST

START_TEST(refuses_what_qemu_does_not_listen_on)
{
	struct fake_qemu q = usual;

	q.filename = "unix:" SOCKET; /* QEMU connects to somebody there */
	ck_assert_int_eq(find(q), -EOPNOTSUPP);
	q = usual;
	q.address = "{\"type\": \"unix\", \"path\": \"web1\", \"abstract\": true}";
	ck_assert_int_eq(find(q), -EOPNOTSUPP);
	q.address = "{\"type\": \"inet\", \"host\": \"::1\", \"port\": \"4444\"}";
	ck_assert_int_eq(find(q), -EOPNOTSUPP);
	q.address = NULL;
	q.filename = "file";
	ck_assert_int_eq(find(q), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(fault.text, "is file"));
}
END_TEST

UNIT_MAIN("guest_agent/channel", finds_the_socket_whether_or_not_it_was_ever_used,
	  says_that_a_machine_has_no_channel, says_that_nobody_in_the_guest_listens,
	  leaves_a_socket_alone_that_somebody_uses, refuses_what_qemu_does_not_listen_on)

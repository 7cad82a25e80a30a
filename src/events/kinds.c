/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of events. A name and an id, once published, stay: programs wait for them. */
#include <errno.h>
#include <string.h>

#include "vmguard/events.h"

const char *const event_severity_names[] = {"info", "warning", "error", NULL};

static const struct {
	const char *name;
	enum event_severity severity;
	const char *id;
} kinds[] = {
	[EVENT_DAEMON_STARTED] = {"daemon-started", EVENT_INFO, "e75b7974ccac4b59b71abc75db5fcecf"},
	[EVENT_DAEMON_STOPPED] = {"daemon-stopped", EVENT_INFO, "c4ff9c67568941c18977b85250ab82de"},
	[EVENT_CONFIG_TAKEN] = {"config-taken", EVENT_INFO, "db8d6bb7091e43af85c2c81ab6e4ca91"},
	[EVENT_CONFIG_REFUSED] = {"config-refused", EVENT_ERROR,
				  "c8ce74e83ad24e33a73ca2d160dfa8b1"},
	[EVENT_GUEST_PROTECTED] = {"guest-protected", EVENT_INFO,
				   "a55dc8adc72d46a48f2ab63a552c21b1"},
	[EVENT_GUEST_UNPROTECTED] = {"guest-unprotected", EVENT_INFO,
				     "2f58259393e049c993469869c49d00ff"},
	[EVENT_POLICY_CHANGED] = {"policy-changed", EVENT_INFO, "18f7dccab2dd4608af3a0740b067f4fc"},
	[EVENT_GUEST_RUNS] = {"guest-runs", EVENT_INFO, "5b87a1e6a6f54dd4bcf88912d13694a4"},
	[EVENT_GUEST_ENDED] = {"guest-ended", EVENT_INFO, "d49d5673fae34d0daeeff1b508a26d85"},
	[EVENT_GUEST_DIED] = {"guest-died", EVENT_ERROR, "1898d0ee185443eeb2faf0f1552af6c1"},
	[EVENT_GUEST_CONTINUED] = {"guest-continued", EVENT_WARNING,
				   "ba7ec3cde1e740269705a02e6faf8870"},
	[EVENT_RESTORE_INTERRUPTED] = {"restore-interrupted", EVENT_WARNING,
				       "9d72bcbe9fe545c18f215cd72b7ea3fb"},
	[EVENT_GUEST_DOWN] = {"guest-down", EVENT_ERROR, "0669a6672e6a4cb4819f868f931eb956"},
	[EVENT_CHECKPOINT_TAKEN] = {"checkpoint-taken", EVENT_INFO,
				    "bbd3eace9f9f4aaba34516848ff21422"},
	[EVENT_CHECKPOINT_LATE] = {"checkpoint-late", EVENT_WARNING,
				   "0fb505954a5149048718f7c9e5cf2af8"},
	[EVENT_CAPTURE_REFUSED] = {"capture-refused", EVENT_INFO,
				   "ff34701eb38e4e33a42676a01a08d224"},
	[EVENT_CAPTURE_FAILED] = {"capture-failed", EVENT_WARNING,
				  "9973f4563a364597ac14a00f560c9fab"},
	[EVENT_CAPTURE_WARNED] = {"capture-warned", EVENT_WARNING,
				  "f9e71c017ed549d794e81a4d58a5567f"},
	[EVENT_CAPTURE_RESCUED] = {"capture-rescued", EVENT_WARNING,
				   "cd498b86b0f44d8cac91b1cf5fcb5e9a"},
	[EVENT_STORE_AWAY] = {"store-away", EVENT_ERROR, "9b16f7b74227450695e9156ef130f504"},
	[EVENT_STORE_BACK] = {"store-back", EVENT_INFO, "1d580ebb8c17428297e0e6fb62cb93bb"},
	[EVENT_LIBVIRT_AWAY] = {"libvirt-away", EVENT_ERROR, "9275c73ff6ec4b778dabc41fe6abe5a4"},
	[EVENT_LIBVIRT_BACK] = {"libvirt-back", EVENT_INFO, "f1e2648e9684420e9a528506e53116a8"},
	[EVENT_OPERATION_DONE] = {"operation-done", EVENT_INFO, "dfe16ef720f44bd0bbdd694a6d90796c"},
	[EVENT_OPERATION_FAILED] = {"operation-failed", EVENT_WARNING,
				    "932b47259aae4311a7a75cac60df1e25"},
	[EVENT_WEBHOOK_FAILING] = {"webhook-failing", EVENT_WARNING,
				   "a0256fea740a4a1e9d48af0bc130aaaa"},
	[EVENT_WEBHOOK_BACK] = {"webhook-back", EVENT_INFO, "505641e8b7b549dfbaaba2a6c7486494"},
	[EVENT_WEBHOOK_DROPPED] = {"webhook-dropped", EVENT_WARNING,
				   "d1bab5f8d38b46198cefea287966b12b"},
};
_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == EVENT_KINDS, "each kind has its row");

const char *event_kind_name(enum event_kind kind)
{
	return kinds[kind].name;
}

enum event_severity event_kind_severity(enum event_kind kind)
{
	return kinds[kind].severity;
}

const char *event_kind_id(enum event_kind kind)
{
	return kinds[kind].id;
}

int event_kind_find(const char *name, enum event_kind *kind)
{
	for (size_t i = 0; i < EVENT_KINDS; i++)
		if (!strcmp(name, kinds[i].name)) {
			*kind = i;
			return 0;
		}
	return -ENOENT;
}

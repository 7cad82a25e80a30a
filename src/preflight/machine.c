/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a domain's XML says of what may be in the way. One table says where each thing stands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/document.h"
#include "vmguard/preflight.h"

#define DEVICES "/domain/devices/"

/* Where devices stand, and what they are called in messages. */
static const struct {
	enum preflight_device_kind kind;
	const char *where, *name;
} device_table[] = {
	{DEVICE_VFIO, DEVICES "hostdev[@type='pci']",
	 "concat('hostdev pci ',source/address/@domain,':',source/address/@bus,':',"
	 "source/address/@slot,'.',source/address/@function)"},
	{DEVICE_VFIO, DEVICES "hostdev[@type='mdev']",
	 "concat('hostdev mdev ',source/address/@uuid)"},
	{DEVICE_VFIO, DEVICES "interface[@type='hostdev']", "concat('interface ',mac/@address)"},
	{DEVICE_VFIO, DEVICES "disk[@type='nvme']", "concat('disk ',target/@dev)"},
	{DEVICE_VDPA, DEVICES "interface[@type='vdpa']", "concat('interface ',mac/@address)"},
	{DEVICE_VHOST_USER, DEVICES "interface[@type='vhostuser']",
	 "concat('interface ',mac/@address)"},
	{DEVICE_VHOST_USER, DEVICES "disk[@type='vhostuser']", "concat('disk ',target/@dev)"},
	{DEVICE_VHOST_USER, DEVICES "filesystem[driver/@type='virtiofs']",
	 "concat('filesystem ',target/@dir)"},
	{DEVICE_VHOST_USER, DEVICES "video[driver/@name='vhostuser']", "'video'"},
	{DEVICE_SCSI, DEVICES "hostdev[@type='scsi']", "concat('hostdev scsi ',alias/@name)"},
	{DEVICE_SCSI, DEVICES "hostdev[@type='scsi_host']",
	 "concat('hostdev scsi_host ',source/@wwpn)"},
	{DEVICE_USB, DEVICES "hostdev[@type='usb']",
	 "concat('hostdev usb ',source/vendor/@id,':',source/product/@id)"},
	{DEVICE_TPM_CHIP, DEVICES "tpm[backend/@type='passthrough']", "'tpm'"},
	{DEVICE_TPM_EMULATOR, DEVICES "tpm[backend/@type!='passthrough']", "'tpm'"},
	{DEVICE_SHARED_FOLDER, DEVICES "filesystem[not(driver/@type='virtiofs')]",
	 "concat('filesystem ',target/@dir)"},
	{DEVICE_SHARED_MEMORY, DEVICES "shmem", "concat('shmem ',@name)"},
	{DEVICE_TRANSIENT_DISK, DEVICES "disk[transient]", "concat('disk ',target/@dev)"},
};

/* Files that are not the disks'. */
static const struct {
	const char *where, *path, *what;
} file_table[] = {
	{"/domain/os/kernel", "string(.)", "kernel"},
	{"/domain/os/initrd", "string(.)", "initrd"},
	{"/domain/os/dtb", "string(.)", "device tree"},
	{"/domain/os/nvram[not(source)]", "string(.)", "nvram"},
	{"/domain/os/nvram/source[@file]", "string(@file)", "nvram"},
	{DEVICES "memory/source/path", "string(.)", "memory device"},
};

enum {
	DEVICE_ROWS = sizeof(device_table) / sizeof(device_table[0]),
	FILE_ROWS = sizeof(file_table) / sizeof(file_table[0]),
};

/* A list with room for one more, zeroed; NULL: no memory, and the list is as it was. */
static void *grow(void **list, size_t *count, size_t bytes)
{
	void *grown = realloc(*list, (*count + 1) * bytes);

	if (!grown)
		return NULL;
	*list = grown;
	return memset((char *)grown + (*count)++ * bytes, 0, bytes);
}

/* A file without a path is an empty drive. */
static int add_file(struct preflight_machine *m, const char *what, const char *path)
{
	struct preflight_file *file =
		*path ? grow((void **)&m->files, &m->file_count, sizeof(*file)) : NULL;

	if (!file)
		return *path ? -ENOMEM : 0;
	snprintf(file->what, sizeof(file->what), "%s", what);
	snprintf(file->path, sizeof(file->path), "%s", path);
	return 0;
}

/* ---- the files of disks--------------------------------------------------------------------- */

static int read_backing(void *machine, struct document *d, xmlNodePtr node)
{
	char target[PREFLIGHT_WORD_BYTES], what[PREFLIGHT_NAME_BYTES], path[PREFLIGHT_PATH_BYTES];

	document_text(d, node, "string(ancestor::disk/target/@dev)", target, sizeof(target));
	snprintf(what, sizeof(what), "the backing file of disk %s", target);
	document_text(d, node, "string(@file)", path, sizeof(path));
	return add_file(machine, what, path);
}

static int read_disk(void *machine, struct document *d, xmlNodePtr node)
{
	struct preflight_machine *m = machine;
	char target[PREFLIGHT_WORD_BYTES], device[16];
	char what[PREFLIGHT_WHAT_BYTES], path[PREFLIGHT_PATH_BYTES];

	document_text(d, node, "string(target/@dev)", target, sizeof(target));
	document_text(d, node, "string(@device)", device, sizeof(device));
	snprintf(what, sizeof(what), "%s %s", *device ? device : "disk", target);
	document_text(d, node, "string(source/@file)", path, sizeof(path));
	int r = add_file(m, what, path);
	return r < 0 ? r : document_each(d, node, ".//backingStore/source[@file]", read_backing, m);
}

/* ---- the others -------------------------------------------------------------------------- */

struct reading {
	struct preflight_machine *machine;
	size_t row;
};

static int read_file(void *context, struct document *d, xmlNodePtr node)
{
	const struct reading *reading = context;
	char path[PREFLIGHT_PATH_BYTES];

	document_text(d, node, file_table[reading->row].path, path, sizeof(path));
	return add_file(reading->machine, file_table[reading->row].what, path);
}

static int read_device(void *context, struct document *d, xmlNodePtr node)
{
	const struct reading *reading = context;
	struct preflight_machine *m = reading->machine;
	struct preflight_device *device =
		grow((void **)&m->devices, &m->device_count, sizeof(*device));

	if (!device)
		return -ENOMEM;
	device->kind = device_table[reading->row].kind;
	document_text(d, node, device_table[reading->row].name, device->what, sizeof(device->what));
	return 0;
}

static int read_lists(struct document *d, struct preflight_machine *m)
{
	struct reading reading = {.machine = m};
	int r = document_each(d, NULL, DEVICES "disk", read_disk, m);

	for (reading.row = 0; r >= 0 && reading.row < FILE_ROWS; reading.row++)
		r = document_each(d, NULL, file_table[reading.row].where, read_file, &reading);
	for (reading.row = 0; r >= 0 && reading.row < DEVICE_ROWS; reading.row++)
		r = document_each(d, NULL, device_table[reading.row].where, read_device, &reading);
	return r;
}

static void read_words(struct document *d, struct preflight_machine *m)
{
	document_text(d, NULL, "string(/domain/name)", m->name, sizeof(m->name));
	document_text(d, NULL, "normalize-space(/domain/uuid)", m->uuid, sizeof(m->uuid));
	document_text(d, NULL, "string(/domain/cpu/@mode)", m->cpu_mode, sizeof(m->cpu_mode));
	m->has_hugepages = document_has(d, NULL, "/domain/memoryBacking/hugepages");
	m->has_shared_memory =
		document_has(d, NULL, "/domain/memoryBacking/access[@mode='shared']") ||
		document_has(d, NULL, "/domain/cpu/numa/cell[@memAccess='shared']");
	m->has_encrypted_memory = document_has(d, NULL, "/domain/launchSecurity");
	m->has_lease = document_has(d, NULL, DEVICES "lease");
}

int preflight_machine_read(const char *xml, size_t bytes, struct preflight_machine *m,
			   struct fault *f)
{
	auto_of(document_close) struct document *d = NULL;
	int r = document_read(xml, bytes, &d, f);

	*m = (struct preflight_machine){0};
	if (r < 0)
		return r;
	if (!document_has(d, NULL, "/domain/name"))
		return fault_set(f, -EBADMSG, "that is not the definition of a domain");
	read_words(d, m);
	if (read_lists(d, m) == 0)
		return 0;
	preflight_machine_clear(m);
	return fault_errno(f, -ENOMEM, "read the definition");
}

void preflight_machine_clear(struct preflight_machine *m)
{
	free(m->files);
	free(m->devices);
	*m = (struct preflight_machine){0};
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmguard hook: libvirt's hook script asks whether this host may start a guest. It must never call
 * libvirt, which waits for the script, nor anybody else who may be slow.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "start.h"
#include "verb.h"
#include "vmguard/document.h"
#include "vmguard/preflight.h"

/* One file a guest, its name the guest's UUID. The hook script looks there too. */
#define PROTECTED_FOLDER "/var/lib/vmguard/protected"

/* What makes a guest run here; libvirt's docs/hooks.rst. */
static bool is_start(const char *operation, const char *step)
{
	static const char *const starts[] = {"prepare", "start", "restore", "migrate"};

	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (!strcmp(operation, starts[i]))
			return !strcmp(step, "begin");
	return false;
}

static int read_definition(FILE *in, struct preflight_machine *m, struct fault *f)
{
	auto_free char *xml = malloc(DOCUMENT_BYTES + 1);

	if (!xml)
		return fault_errno(f, -ENOMEM, "read the definition");
	size_t bytes = fread(xml, 1, DOCUMENT_BYTES + 1, in);
	if (ferror(in))
		return fault_errno(f, -EIO, "read the definition");
	return preflight_machine_read(xml, bytes, m, f);
}

/* It is a file's name too. */
static bool is_uuid(const char *text)
{
	return strlen(text) == PREFLIGHT_UUID_BYTES - 1 &&
	       strspn(text, "0123456789abcdef-") == PREFLIGHT_UUID_BYTES - 1;
}

static int hook(const char *guest, struct fault *f)
{
	struct preflight_machine m;
	struct fault unknown;
	int r = read_definition(stdin, &m, f);

	if (r < 0)
		return fault_wrap(f, "the definition of %s, on standard input", guest);
	const struct start start = {.guest = guest, .uuid = m.uuid};
	if (!is_uuid(m.uuid))
		r = fault_set(f, -EBADMSG, "the definition of %s has no UUID", guest);
	else
		r = start_may(&start, f);
	unknown = *f;
	if (r < 0 && r != -EPERM && is_uuid(m.uuid))
		r = start_decide(&start, CONFIG_FILE, PROTECTED_FOLDER, f);
	if (!r && unknown.code)
		fprintf(stderr, "vmguard: %s starts, though: %s\n", guest, unknown.text);
	preflight_machine_clear(&m);
	return r;
}

static int hook_run(int argc, char **argv)
{
	struct arguments a;
	struct fault f = {0};
	int exit;

	if (!arguments_read(&verb_hook, "", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count < 3)
		return usage_error(&verb_hook, "libvirt gives a guest, an operation and its step");
	if (!is_start(a.rest[1], a.rest[2]))
		return EXIT_DONE;
	return hook(a.rest[0], &f) < 0 ? report_fault(&f) : EXIT_DONE;
}

const struct verb verb_hook = {
	.name = "hook",
	.summary = "Says whether this host may start a guest; for libvirt's hook script.",
	.usage = "GUEST OPERATION STEP [EXTRA] < DEFINITION",
	.help = "  GUEST OPERATION STEP [EXTRA]\n"
		"                    what libvirt gives to /etc/libvirt/hooks/qemu\n"
		"\nThe guest's XML is read from standard input. The exit status is 3 where it may\n"
		"not start, with the reason. libvirt is not asked.\n",
	.run = hook_run,
};

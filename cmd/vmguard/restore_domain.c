/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A restore through libvirt:
 *
 *	lazy:  a domain whose QEMU waits -> as in any QEMU that waits
 *	full:  a save image for libvirt's own restore, made while it is read
 *
 * Until the guest has run, whatever fails leaves no domain.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "restored.h"

static int read_definition(struct restored *out, const struct source *source, struct fault *f)
{
	const struct manifest *m = checkpoint_manifest(source->checkpoint);
	const char *uri = out->arguments->connect;
	int r = 0;

	if (!m->xml)
		return fault_set(f, -EOPNOTSUPP,
				 "%s@%" PRIu64
				 " was not taken with --domain, so libvirt does not know what "
				 "to start: use --qmp, or -- and the QEMU command",
				 m->guest, m->id.number);
	if (out->copy)
		r = copy_make(out->copy, uri, m, f);
	return r < 0 ? r
		     : libvirt_domain_read(&out->domain, uri, out->copy ? out->copy->xml : m->xml,
					   f);
}

/* A copy that never ran leaves nothing. */
static void drop_copy(const struct restored *out)
{
	struct fault f;
	int r = libvirt_domain_end(&out->domain, &f);

	if (!r)
		r = copy_remove(out->copy, &f);
	if (r < 0)
		fprintf(stderr, "vmguard: something of \"%s\" is left: %s\n", out->copy->name,
			f.text);
}

/* ---- lazy -------------------------------------------------------------------------------- */

static int feed_domain(struct restored *out, const struct source *source, struct hypervisor *h,
		       struct fault *f)
{
	const struct restore_options options = restored_options(out);
	int r = libvirt_domain_let_run(&out->domain, f);

	return r < 0 ? r : restored_send_lazily(source->checkpoint, h, &options, out, f);
}

static int restore_lazily_once(struct restored *out, struct source *source, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	struct fault end;
	int r = libvirt_domain_start(&out->domain, &h, f);

	if (r < 0)
		return r;
	out->domain_pid = hypervisor_pid(h);
	source_hold_for(out, source, out->domain_pid);
	r = feed_domain(out, source, h, f);
	if (r < 0 && out->result.runs)
		return restored_stands_still(out, NULL, f);
	if (r < 0 && libvirt_domain_destroy(&out->domain, &end) < 0)
		fprintf(stderr, "vmguard: a domain that never ran is left: %s\n", end.text);
	return r;
}

static int restore_lazily(struct restored *out, struct source *source, struct fault *f)
{
	out->lazy = true;
	int r = restore_lazily_once(out, source, f);

	for (int i = 1; i < RESTORE_ATTEMPTS && restored_is_worth_another_try(out, r); i++)
		r = restore_lazily_once(out, source, f);
	return r;
}

/* ---- full -------------------------------------------------------------------------------- */

/* Where libvirt or its QEMU stopped reading, libvirt knows why. */
static int load_domain(struct restored *out, const struct source *source, struct fault *f)
{
	const struct restore_options options = restored_options(out);
	struct libvirt_load *load;
	struct fault end;
	int r = libvirt_load_begin(&out->domain, &load, f);

	if (r < 0)
		return r;
	r = restore_export(source->checkpoint, libvirt_load_fd(load), &options, &out->result, f);
	int ended = libvirt_load_end(load, !r, &end);
	if (ended < 0 && (!r || r == -EPIPE)) {
		*f = end;
		return ended;
	}
	return r;
}

static int restore_fully(struct restored *out, const struct source *source, struct fault *f)
{
	auto_of(hypervisor_close) struct hypervisor *h = NULL;
	const struct restore_options options = restored_options(out);
	int r = load_domain(out, source, f);

	if (r < 0)
		return r;
	out->result.runs = true;
	if (out->ran)
		out->ran(out->ran_context);
	r = hypervisor_open_libvirt(out->domain.uri, out->domain.uuid, &h, f);
	if (!r)
		r = restore_finish(h, &options, &out->result, f);
	out->domain_pid = h ? hypervisor_pid(h) : -1;
	return r < 0 ? fault_wrap(f, "libvirt has restored domain \"%s\", but", out->domain.name)
		     : 0;
}

/* ---- either ------------------------------------------------------------------------------ */

static int restore_somehow(struct restored *out, struct source *source, struct fault *f)
{
	if (strcmp(restored_mode(out), "full") != 0) {
		int r = restore_lazily(out, source, f);

		if (r != -EOPNOTSUPP || !strcmp(restored_mode(out), "lazy"))
			return r;
		progress_wipe();
		fprintf(stderr,
			"vmguard: all memory goes first, a lazy restore is not possible: %s\n",
			f->text);
		out->lazy = false;
		source_hold_for(out, source, getpid());
	}
	return restore_fully(out, source, f);
}

/* As long as there is no QEMU the checkpoint is held for ourselves. */
int restore_in_domain(struct restored *out, struct fault *f)
{
	struct source source = {0};
	int r = source_open(out, &source, getpid(), f);

	if (!r)
		r = read_definition(out, &source, f);
	if (!r)
		r = libvirt_domain_may_start(&out->domain, f);
	if (!r && !out->copy)
		r = restored_disks(out, &source, f);
	if (!r)
		r = source_load(&source, f);
	if (!r)
		r = restore_somehow(out, &source, f);
	if (r < 0 && out->copy && out->domain.name[0] && !out->result.runs)
		drop_copy(out);
	if (!r && out->arguments->define && libvirt_domain_define(&out->domain, f) < 0)
		r = fault_wrap(f, "the guest runs, but libvirt will forget it when it ends");
	source_close(out, &source, r);
	out->domain.xml = NULL; /* it was the checkpoint's, or the copy's */
	return r;
}

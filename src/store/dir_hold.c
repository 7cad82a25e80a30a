/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who goes on from a commit of the directory backend: a file beside the commit for each process,
 * whose name names it. As a protection (dir_protect.c) it is made under the lock of a reader, so
 * that it and the removal of the commit never meet.
 *
 * Nothing is made durable: a host that loses its power loses the process too.
 */
#include "dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>

static int unlink_hold(int folder, const struct dir_hold *hold)
{
	char name[DIR_HOLD_BYTES];

	dir_hold_name(hold, name);
	return unlinkat(folder, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int make_hold(int folder, const struct dir_hold *hold)
{
	char name[DIR_HOLD_BYTES];

	dir_hold_name(hold, name);
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	return close(fd) < 0 ? -errno : 0;
}

static bool is_of(const struct dir_hold *hold, struct checkpoint_id id)
{
	return checkpoint_compare(&hold->id, &id) == 0;
}

/* 1: it was so before. */
static int change(int folder, const struct dir_listing *l, const struct dir_hold *wanted, bool on)
{
	bool found = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->hold_count; i++) {
		const struct dir_hold *hold = &l->holds[i];

		if (!is_of(hold, wanted->id) || !holder_is_same(&hold->holder, &wanted->holder))
			continue;
		found = true;
		r = on ? 0 : unlink_hold(folder, hold);
	}
	if (r < 0 || found == on)
		return r < 0 ? r : 1;
	return on ? make_hold(folder, wanted) : 0;
}

int dir_hold(struct store_image *base, struct checkpoint_id id, const struct holder *holder,
	     bool on, struct fault *f)
{
	const struct dir_hold wanted = {id, *holder};
	int folder = dir_image_of(base)->folder;
	struct dir_listing l;
	auto_fd int commit = -1;
	int r = on ? dir_commit_lock(folder, id, F_RDLCK, &commit, f) : 0;

	if (r == 0)
		r = dir_folder_list(folder, &l, f);
	if (r == 0) {
		r = change(folder, &l, &wanted, on);
		if (r < 0)
			fault_errno(f, r, "%s the file beside it", on ? "make" : "remove");
		dir_listing_clear(&l);
	}
	return r < 0 ? fault_wrap(f, "%s checkpoint %" PRIu64 " of %s", on ? "hold" : "release",
				  id.number, base->guest)
		     : r;
}

int dir_holders(struct store_image *base, struct checkpoint_id id, struct holder **holders,
		size_t *count, struct fault *f)
{
	struct dir_listing l;
	int r = dir_folder_list(dir_image_of(base)->folder, &l, f);

	*holders = NULL;
	*count = 0;
	if (r < 0)
		return fault_wrap(f, "see who holds checkpoint %" PRIu64 " of %s", id.number,
				  base->guest);
	*holders = calloc(l.hold_count + 1, sizeof(**holders));
	for (size_t i = 0; *holders && i < l.hold_count; i++)
		if (is_of(&l.holds[i], id) && !holder_is_gone(&l.holds[i].holder))
			(*holders)[(*count)++] = l.holds[i].holder;
	dir_listing_clear(&l);
	return *holders ? 0 : fault_errno(f, -ENOMEM, "list who holds a checkpoint");
}

static int check_unheld(int folder, const char *guest, const struct dir_listing *l,
			struct checkpoint_id id, struct fault *f)
{
	for (size_t i = 0; i < l->hold_count; i++) {
		const struct dir_hold *hold = &l->holds[i];

		if (!is_of(hold, id))
			continue;
		holder_await_end(&hold->holder);
		if (!holder_is_gone(&hold->holder))
			return checkpoint_held_fault(id, guest, &hold->holder, f);
		unlink_hold(folder, hold);
	}
	return 0;
}

int dir_check_removable(int folder, const char *guest, const struct checkpoint_id *ids,
			size_t count, struct fault *f)
{
	struct dir_listing l;
	int r = dir_folder_list(folder, &l, f);

	for (size_t i = 0; r == 0 && i < count; i++) {
		r = dir_check_unprotected(folder, guest, ids[i], f);
		if (r == 0)
			r = check_unheld(folder, guest, &l, ids[i], f);
	}
	dir_listing_clear(&l);
	return r;
}

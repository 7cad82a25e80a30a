/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmguard/hypervisor.h"

enum { PATH_ROOM = 96 }; /* leaves room in sun_path for a file's name */

static int choose(char path[PATH_ROOM])
{
	const char *own = getenv("VMGUARD_RUN_DIR");
	const char *session = getenv("XDG_RUNTIME_DIR");

	if (own && *own)
		return snprintf(path, PATH_ROOM, "%s", own);
	if (geteuid() == 0)
		return snprintf(path, PATH_ROOM, "/run/vmguard");
	if (session && *session)
		return snprintf(path, PATH_ROOM, "%s/vmguard", session);
	return snprintf(path, PATH_ROOM, "/tmp/vmguard-%u", geteuid());
}

int run_directory(char path[PATH_ROOM], struct fault *f)
{
	struct stat status;

	if (choose(path) >= PATH_ROOM)
		return fault_set(f, -ENAMETOOLONG,
				 "the run directory's path is longer than %d characters: set "
				 "VMGUARD_RUN_DIR to a shorter one",
				 PATH_ROOM - 1);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fault_errno(f, -errno, "make the run directory %s", path);
	/* What others may write to could be changed under our hands. */
	if (lstat(path, &status) < 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid() ||
	    (status.st_mode & 022))
		return fault_set(f, -EPERM,
				 "the run directory %s must be a directory that only its owner, "
				 "you, can write",
				 path);
	return 0;
}

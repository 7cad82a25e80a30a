/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STATE/protected/UUID: this domain is protected, and whether it ran here. libvirt's hook looks
 * whether there is one; a daemon that is started anew learns from it whose QEMU died meanwhile.
 * What ran before the host was booted is nobody's outage any more: another host may have it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"

enum { NOTE_BYTES = 64, PATH_ROOM = CONFIG_TEXT_BYTES + LIBVIRT_UUID_BYTES + 32 };

static void path_of(const struct daemon *d, const char *uuid, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/protected/%s", d->config.state_directory, uuid);
}

/* "" where there is none. */
static void read_line(const char *path, char line[NOTE_BYTES])
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, NOTE_BYTES, file))
		line[0] = '\0';
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
}

/* What the note of one that runs says. */
static void running(char text[NOTE_BYTES])
{
	read_line("/proc/sys/kernel/random/boot_id", text);
}

static int write_whole(const char *path, const char *text)
{
	char part[PATH_ROOM + 8];

	snprintf(part, sizeof(part), "%s.part", path);
	FILE *file = fopen(part, "we");
	if (!file)
		return -errno;
	bool whole = fprintf(file, "%s\n", text) > 0 && !fflush(file) && !fsync(fileno(file));
	whole = !fclose(file) && whole;
	return whole && !rename(part, path) ? 0 : -errno;
}

void note_write(const struct daemon *d, const char *uuid, bool runs)
{
	char path[PATH_ROOM], was[NOTE_BYTES], is[NOTE_BYTES] = "ended";
	int r;

	path_of(d, uuid, path);
	read_line(path, was);
	if (runs)
		running(is);
	if (!strcmp(was, is))
		return;
	r = write_whole(path, is);
	if (r < 0)
		fprintf(stderr,
			"<4>write %s: %s: libvirt's hook will not know that it is "
			"protected\n",
			path, strerror(-r));
}

bool note_ran(const struct daemon *d, const char *uuid)
{
	char path[PATH_ROOM], was[NOTE_BYTES], now[NOTE_BYTES];

	path_of(d, uuid, path);
	read_line(path, was);
	running(now);
	return now[0] && !strcmp(was, now);
}

void note_remove(const struct daemon *d, const char *uuid)
{
	char path[PATH_ROOM];

	path_of(d, uuid, path);
	unlink(path);
}

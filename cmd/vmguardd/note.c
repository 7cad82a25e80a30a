/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STATE/protected/UUID: this domain is protected, and whether it ran here: "BOOT-ID", "died
 * BOOT-ID" or "ended". libvirt's hook looks whether there is one; a daemon that is started anew
 * learns from it whose QEMU died meanwhile, or has died and was not continued yet. What ran before
 * the host was booted is nobody's outage any more: another host may have it.
 *
 * The loop writes it, which must not wait for a disk: the last notes may be lost with the host's
 * power, and are written again when the domains are seen again.
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
static void read_line(const char *path, char *line, size_t room)
{
	FILE *file = fopen(path, "re");

	if (!file || !fgets(line, (int)room, file))
		line[0] = '\0';
	if (file)
		fclose(file);
	line[strcspn(line, "\n")] = '\0';
}

static const char died[] = "died ";

static void text_of(enum note note, char text[NOTE_BYTES])
{
	char boot[NOTE_BYTES - sizeof(died)];

	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	if (note == NOTE_ENDED)
		snprintf(text, NOTE_BYTES, "ended");
	else
		snprintf(text, NOTE_BYTES, "%s%s", note == NOTE_DIED ? died : "", boot);
}

static int write_whole(const char *path, const char *text)
{
	char part[PATH_ROOM + 8];

	snprintf(part, sizeof(part), "%s.part", path);
	FILE *file = fopen(part, "we");
	if (!file)
		return -errno;
	bool whole = fprintf(file, "%s\n", text) > 0;
	whole = !fclose(file) && whole;
	return whole && !rename(part, path) ? 0 : -errno;
}

void note_write(const struct daemon *d, const char *uuid, enum note note)
{
	char path[PATH_ROOM], was[NOTE_BYTES], is[NOTE_BYTES];
	int r;

	path_of(d, uuid, path);
	read_line(path, was, sizeof(was));
	text_of(note, is);
	if (!strcmp(was, is))
		return;
	r = write_whole(path, is);
	if (r < 0)
		fprintf(stderr,
			"<4>write %s: %s: libvirt's hook will not know that it is "
			"protected\n",
			path, strerror(-r));
}

enum note note_read(const struct daemon *d, const char *uuid)
{
	char path[PATH_ROOM], is[NOTE_BYTES], text[NOTE_BYTES];

	path_of(d, uuid, path);
	read_line(path, is, sizeof(is));
	for (enum note note = NOTE_RUNS; *is && note <= NOTE_DIED; note++) {
		text_of(note, text);
		if (!strcmp(is, text))
			return note;
	}
	return NOTE_ENDED;
}

void note_remove(const struct daemon *d, const char *uuid)
{
	char path[PATH_ROOM];

	path_of(d, uuid, path);
	unlink(path);
}

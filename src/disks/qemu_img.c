/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disks/qemu_img.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUTPUT_BYTES = 1 << 20 };

extern char **environ;

static int spawn(const char *const command[], int out, pid_t *pid)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t how;
	sigset_t none;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, out, STDERR_FILENO);
	posix_spawnattr_init(&how);
	posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&how, &none);
	int r = -posix_spawnp(pid, command[0], &files, &how, (char *const *)command, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&how);
	return r;
}

/* What does not fit is read to nowhere, so that the program ends. */
static void read_all(int fd, char *text)
{
	size_t used = 0;
	char rest[4096];
	ssize_t n;

	while ((n = used < OUTPUT_BYTES - 1 ? read(fd, text + used, OUTPUT_BYTES - 1 - used)
					    : read(fd, rest, sizeof(rest))) > 0 ||
	       (n < 0 && errno == EINTR))
		if (n > 0 && used < OUTPUT_BYTES - 1)
			used += n;
	text[used] = '\0';
}

/* Runs it to its end; all that it prints goes into text. Its exit status, or a negative errno. */
static int run(const char *const command[], char *text)
{
	int ends[2], status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	auto_fd int in = ends[0];
	int r = spawn(command, ends[1], &pid);
	close(ends[1]);
	if (r < 0)
		return r;
	read_all(in, text);
	while ((r = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
		;
	if (r < 0)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EINTR;
}

static int explain(const char *file, int status, char *words, struct fault *f)
{
	words[strcspn(words, "\n")] = '\0';
	if (status == -ENOENT)
		return fault_set(f, -ENOENT, "%s: the program qemu-img is not installed", file);
	if (status < 0)
		return fault_errno(f, status, "%s: qemu-img", file);
	if (strstr(words, " lock"))
		return fault_set(f, -EBUSY, "%s is open elsewhere", file);
	return fault_set(f, -EIO, "%s: %s", file, words);
}

static int each_name(struct json_object *info, int (*each)(void *context, const char *name),
		     void *context)
{
	struct json_object *list = NULL, *name;
	int r = 0;

	json_object_object_get_ex(info, "snapshots", &list);
	for (size_t i = 0; !r && list && i < json_object_array_length(list); i++)
		if (json_object_object_get_ex(json_object_array_get_idx(list, i), "name", &name))
			r = each(context, json_object_get_string(name));
	return r;
}

int qemu_img_each(const char *file, int (*each)(void *context, const char *name), void *context,
		  struct fault *f)
{
	const char *const command[] = {"qemu-img",	"info", "-U", "-f", "qcow2",
				       "--output=json", "--",	file, NULL};
	auto_free char *text = malloc(OUTPUT_BYTES);

	if (!text)
		return fault_errno(f, -ENOMEM, "look for the snapshots in %s", file);
	int status = run(command, text);
	if (status)
		return explain(file, status, text, f);
	struct json_object *info = json_tokener_parse(text);
	int r = json_object_is_type(info, json_type_object)
			? each_name(info, each, context)
			: fault_set(f, -EPROTO, "%s: qemu-img info prints no JSON", file);
	json_object_put(info);
	return r;
}

/* What is done to a file by a command that prints nothing. */
static int change(const char *file, const char *const command[], struct fault *f)
{
	auto_free char *text = malloc(OUTPUT_BYTES);

	if (!text)
		return fault_errno(f, -ENOMEM, "%s %s %s", command[0], command[1], file);
	int status = run(command, text);
	return status ? explain(file, status, text, f) : 0;
}

int qemu_img_remove(const char *file, const char *snapshot, struct fault *f)
{
	const char *const command[] = {"qemu-img", "snapshot", "-d", snapshot, "--", file, NULL};

	return change(file, command, f);
}

int qemu_img_apply(const char *file, const char *snapshot, struct fault *f)
{
	const char *const command[] = {"qemu-img", "snapshot", "-a", snapshot, "--", file, NULL};

	return change(file, command, f);
}

int qemu_img_copy(const char *file, const char *snapshot, const char *to, struct fault *f)
{
	char name[DISK_SNAPSHOT_BYTES + 16];
	const char *const command[] = {"qemu-img", "convert", "-U", "-f", "qcow2", "-l", name,
				       "-O",	   "qcow2",   "--", file, to,	   NULL};

	snprintf(name, sizeof(name), "snapshot.name=%s", snapshot);
	return change(file, command, f);
}

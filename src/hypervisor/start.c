/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting a QEMU that waits for a stream, detached from whoever called us. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmguard/clock.h"
#include "vmguard/hypervisor.h"

enum {
	START_LIMIT_MS = 30000,
	START_POLL_MS = 2,
	ADDED_ARGUMENTS = 5,
	LOG_LINE_BYTES = 256,
};

static int check_command(char *const command[], size_t *count, struct fault *f)
{
	static const char *const ours[] = {"-incoming", "--incoming", "-daemonize", "--daemonize"};

	for (*count = 0; command[*count]; ++*count)
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			if (!strcmp(command[*count], ours[i]))
				return fault_set(f, -EINVAL,
						 "leave %s out of the QEMU command: vmguard adds "
						 "what is needed and detaches QEMU itself",
						 ours[i]);
	return 0;
}

/* In the child, between fork and exec: nothing but system calls. */
static void become_qemu(char *const arguments[], int log)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, STDIN_FILENO);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	signal(SIGPIPE, SIG_DFL);
	execvp(arguments[0], arguments);
	dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
	_exit(127);
}

static int spawn(char *const command[], struct qemu_process *p, struct fault *f)
{
	size_t count;
	char qmp[sizeof(p->socket) + 32];
	int r = check_command(command, &count, f);

	if (r < 0)
		return r;
	auto_free char **arguments = calloc(count + ADDED_ARGUMENTS, sizeof(*arguments));
	auto_fd int log = open(p->log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (!arguments)
		return fault_errno(f, -ENOMEM, "start %s", command[0]);
	if (log < 0)
		return fault_errno(f, -errno, "write %s", p->log);
	snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off", p->socket);
	memcpy(arguments, command, count * sizeof(*arguments));
	arguments[count++] = (char *)"-incoming";
	arguments[count++] = (char *)"defer";
	arguments[count++] = (char *)"-qmp";
	arguments[count++] = qmp;
	p->pid = fork();
	if (p->pid < 0)
		return fault_errno(f, -errno, "start %s", command[0]);
	if (!p->pid)
		become_qemu(arguments, log);
	return 0;
}

/* QEMU gives the reason first and then that it gives up: the last two lines say both. */
void qemu_explain(const struct qemu_process *p, struct fault *f)
{
	char lines[2][LOG_LINE_BYTES] = {"", ""};
	char line[LOG_LINE_BYTES];
	FILE *log = p->log[0] ? fopen(p->log, "re") : NULL;

	while (log && fgets(line, sizeof(line), log)) {
		line[strcspn(line, "\n")] = '\0';
		if (!line[0])
			continue;
		memcpy(lines[0], lines[1], sizeof(line));
		memcpy(lines[1], line, sizeof(line));
	}
	if (log)
		fclose(log);
	size_t end = strlen(f->text);
	if (lines[1][0])
		snprintf(f->text + end, sizeof(f->text) - end, "; QEMU's last words: %s%s%s",
			 lines[0], lines[0][0] ? "; " : "", lines[1]);
}

void qemu_kill(struct qemu_process *p)
{
	if (p->pid <= 0)
		return;
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	unlink(p->socket);
	unlink(p->log);
	p->pid = 0;
}

static bool has_ended(struct qemu_process *p)
{
	if (waitpid(p->pid, NULL, WNOHANG) != p->pid)
		return false;
	p->pid = 0;
	return true;
}

int qemu_connect(struct qemu_process *p, struct hypervisor **h, struct fault *f)
{
	for (int waited = 0; waited < START_LIMIT_MS; waited += START_POLL_MS) {
		int r = hypervisor_open_qmp(p->socket, h, f);

		if (r != -ENOENT && r != -ECONNREFUSED)
			return r;
		if (has_ended(p)) {
			fault_set(f, -ECHILD, "QEMU ended at once");
			qemu_explain(p, f);
			return f->code;
		}
		sleep_us(START_POLL_MS * 1000);
	}
	return fault_set(f, -ETIMEDOUT, "no monitor at %s within %d s", p->socket,
			 START_LIMIT_MS / 1000);
}

int qemu_start(char *const command[], const char *guest, struct qemu_process *p, struct fault *f)
{
	char directory[96];
	int r = run_directory(directory, f);

	*p = (struct qemu_process){0};
	if (r < 0)
		return r;
	/* Our own pid makes the names unique; QEMU's is not known before it starts. */
	int length = snprintf(p->socket, sizeof(p->socket), "%s/%s-%d.qmp", directory, guest,
			      (int)getpid());
	snprintf(p->log, sizeof(p->log), "%s/%s-%d.log", directory, guest, (int)getpid());
	if (length >= (int)sizeof(p->socket))
		return fault_set(f, -ENAMETOOLONG,
				 "the monitor's path %s… is too long for a socket: set "
				 "VMGUARD_RUN_DIR to a shorter one",
				 p->socket);
	r = spawn(command, p, f);
	return r < 0 ? fault_wrap(f, "start %s", command[0]) : 0;
}

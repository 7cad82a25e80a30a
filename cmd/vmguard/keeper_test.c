/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The keeper as it is: real processes and sockets; the monitor is one end of a socketpair. */
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

enum { LIMIT_MS = 20000, SHORT_MS = 50 };

static struct fault fault;
static char folder[] = "/tmp/vmguard-keeper-XXXXXX";
static char path[64];
static int qemu;		   /* the other end of the monitor */
static int output = STDOUT_FILENO; /* of a vmguard; -1: it has no stdio */

static void set_stdio(void)
{
	if (output < 0)
		close_range(STDIN_FILENO, STDERR_FILENO, 0);
	else
		dup2(output, STDOUT_FILENO);
}

/* A vmguard that has a keeper and lives until its channel is closed or it is killed. */
static pid_t begin_feeder(int monitor, int others_end)
{
	struct keeper k;
	int ready[2];
	char byte;

	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	if (!pid) {
		close(others_end);
		set_stdio();
		if (keeper_start(&k, &fault) || keeper_guard(&k, monitor, path, &fault) ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static pid_t begin(void)
{
	int fds[2];

	strcpy(folder, "/tmp/vmguard-keeper-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/monitor", folder);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	qemu = fds[1];
	pid_t feeder = begin_feeder(fds[0], qemu);
	close(fds[0]);
	return feeder;
}

static void kill_feeder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static bool is_held(void)
{
	struct pollfd p = {.fd = qemu};

	return poll(&p, 1, 0) == 0;
}

static void expect_let_go(void)
{
	struct pollfd p = {.fd = qemu};

	ck_assert_int_eq(poll(&p, 1, LIMIT_MS), 1);
}

static void finish(void)
{
	close(qemu);
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0);
}

static bool goes_away(void)
{
	int tries = LIMIT_MS / 10;

	while (!access(path, F_OK) && tries-- > 0)
		usleep(10000);
	return tries > 0;
}

static struct kept_monitor take(void)
{
	struct kept_monitor m;

	ck_assert_int_eq(keeper_take(path, LIMIT_MS, &m, &fault), 0);
	return m;
}

static void end_as_taker(struct kept_monitor *m)
{
	keeper_taken(m);
	close(m->fd);
	expect_let_go();
	finish();
}

static void take_and_finish(void)
{
	struct kept_monitor m = take();

	end_as_taker(&m);
}

START_TEST(hands_the_monitor_over_when_its_vmguard_is_killed)
{
	pid_t feeder = begin();
	char byte = 0;

	ck_assert_int_eq(write(qemu, "x", 1), 1); /* nobody has read it */
	kill_feeder(feeder);
	struct kept_monitor m = take();
	keeper_taken(&m);
	ck_assert_int_eq(read(m.fd, &byte, 1), 1);
	ck_assert_int_eq(byte, 'x');
	ck_assert(is_held());
	close(m.fd);
	expect_let_go();
	finish();
}
END_TEST

START_TEST(gives_it_to_nobody_while_its_vmguard_lives)
{
	pid_t feeder = begin();
	struct kept_monitor m;

	ck_assert_int_eq(keeper_take(path, SHORT_MS, &m, &fault), -EBUSY);
	kill_feeder(feeder);
	/* the one who gave up waiting did not take it along */
	take_and_finish();
}
END_TEST

START_TEST(holds_it_on_when_the_taker_dies)
{
	kill_feeder(begin());
	struct kept_monitor m = take();

	close(m.fd);
	close(m.keeper);
	m = take();
	ck_assert(is_held());
	end_as_taker(&m);
}
END_TEST

START_TEST(leaves_it_to_the_keeper_of_the_taker)
{
	kill_feeder(begin());
	struct kept_monitor m = take();
	pid_t next = begin_feeder(m.fd, m.keeper);

	close(m.keeper); /* without a word */
	close(m.fd);
	kill_feeder(next);
	take_and_finish();
}
END_TEST

START_TEST(keeps_nothing_else_of_its_vmguard)
{
	int ends[2];
	char byte;

	ck_assert_int_eq(pipe(ends), 0);
	output = ends[1];
	pid_t feeder = begin();
	output = STDOUT_FILENO;
	close(ends[1]);
	kill_feeder(feeder);
	ck_assert_int_eq(read(ends[0], &byte, 1), 0); /* a script that waits for the end of it */
	close(ends[0]);
	take_and_finish();
}
END_TEST

START_TEST(holds_it_for_a_vmguard_without_stdio)
{
	output = -1;
	pid_t feeder = begin();
	output = STDOUT_FILENO;
	kill_feeder(feeder);
	take_and_finish();
}
END_TEST

START_TEST(is_there_for_its_own_user_alone)
{
	mode_t before = umask(0);
	pid_t feeder = begin();
	struct stat status;

	umask(before);
	ck_assert_int_eq(stat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
	kill_feeder(feeder);
	close(qemu);
	ck_assert(goes_away());
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(lets_go_when_it_is_told)
{
	struct keeper k = {0};
	int fds[2];

	keeper_end(&k); /* there is none */
	snprintf(path, sizeof(path), "/tmp/vmguard-keeper-%d", (int)getpid());
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(keeper_start(&k, &fault), 0);
	ck_assert_int_eq(keeper_guard(&k, fds[0], path, &fault), 0);
	close(fds[0]);
	qemu = fds[1];
	keeper_end(&k);
	ck_assert(!is_held());
	ck_assert_int_lt(access(path, F_OK), 0);
	close(qemu);
}
END_TEST

START_TEST(ends_with_qemu)
{
	struct kept_monitor m;

	kill_feeder(begin());
	close(qemu);
	ck_assert(goes_away());
	ck_assert_int_eq(keeper_take(path, LIMIT_MS, &m, &fault), -ENOENT);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

UNIT_MAIN("keeper", hands_the_monitor_over_when_its_vmguard_is_killed,
	  gives_it_to_nobody_while_its_vmguard_lives, holds_it_on_when_the_taker_dies,
	  leaves_it_to_the_keeper_of_the_taker, keeps_nothing_else_of_its_vmguard,
	  holds_it_for_a_vmguard_without_stdio, is_there_for_its_own_user_alone,
	  lets_go_when_it_is_told, ends_with_qemu)

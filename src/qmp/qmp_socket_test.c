/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* qmp_connect() on paths where nobody, somebody or a busy QEMU listens. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qmp/qmp_peer.h"
#include "unit.h"
#include "vmguard/qmp.h"

enum { LIMIT_MS = 20000, SHORT_MS = 50 };

static struct qmp_error error;
static struct qmp *q;
static char folder[] = "/tmp/qmp-test-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

/* A socket bound to a path of its own; backlog < 0: it does not listen. */
static int bind_socket(int backlog)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/monitor", folder);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (backlog >= 0)
		ck_assert_int_eq(listen(fd, backlog), 0);
	return fd;
}

static void release(int fd)
{
	close(fd);
	unlink(address.sun_path);
	rmdir(folder);
}

START_TEST(says_which_path_nobody_listens_on)
{
	ck_assert_int_eq(qmp_connect("/nowhere/monitor", LIMIT_MS, &q, &error), -ENOENT);
	ck_assert_str_eq(error.text, "connect to /nowhere/monitor: No such file or directory");
	int fd = bind_socket(-1);
	ck_assert_int_eq(qmp_connect(address.sun_path, LIMIT_MS, &q, &error), -ECONNREFUSED);
	ck_assert_ptr_null(q);
	release(fd);
}
END_TEST

START_TEST(refuses_a_path_that_no_socket_can_have)
{
	char path[200];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(qmp_connect(path, LIMIT_MS, &q, &error), -ENAMETOOLONG);
	ck_assert_ptr_nonnull(strstr(error.text, "107 bytes"));
}
END_TEST

START_TEST(waits_no_longer_than_its_limit_for_a_busy_monitor)
{
	int fd = bind_socket(0);
	int holder = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* one fits into the backlog; the next would wait for ever */
	ck_assert_int_eq(connect(holder, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(qmp_connect(address.sun_path, SHORT_MS, &q, &error), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(error.text, "other clients hold the monitor"));
	close(holder);
	release(fd);
	/* accepted by the kernel, but nobody greets */
	fd = bind_socket(1);
	ck_assert_int_eq(qmp_connect(address.sun_path, SHORT_MS, &q, &error), -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(error.text, address.sun_path));
	ck_assert_ptr_nonnull(strstr(error.text, "did not send its greeting within 50 ms"));
	release(fd);
}
END_TEST

struct listener {
	int fd;
	struct peer peer;
};

static void *accept_and_greet(void *argument)
{
	static const struct peer_step steps[] = {PEER_GREETS};
	struct listener *l = argument;

	l->peer = (struct peer){.fd = accept(l->fd, NULL, NULL), .steps = steps, .step_count = 2};
	peer_start(&l->peer);
	peer_join(&l->peer);
	return NULL;
}

START_TEST(connects_to_a_path)
{
	struct listener l = {.fd = bind_socket(1)};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, accept_and_greet, &l), 0);
	ck_assert_int_eq(qmp_connect(address.sun_path, LIMIT_MS, &q, &error), 0);
	ck_assert_str_eq(qmp_version(q), "7.2.22");
	qmp_close(q);
	pthread_join(thread, NULL);
	release(l.fd);
}
END_TEST

UNIT_MAIN("qmp_socket", says_which_path_nobody_listens_on, refuses_a_path_that_no_socket_can_have,
	  waits_no_longer_than_its_limit_for_a_busy_monitor, connects_to_a_path)

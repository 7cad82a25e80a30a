/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Against a socket such as journald's. */
#include "vmguard/journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "unit.h"

static struct fault fault;
static struct events *events;
static struct journal *journal;
static char path[64];

static int listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void begin(void)
{
	snprintf(path, sizeof(path), "/tmp/vg-journal-%d", (int)getpid());
	unlink(path);
	ck_assert_int_eq(events_new("host-a", 4, &events, &fault), 0);
	ck_assert_int_eq(journal_open(path, &journal, &fault), 0);
	events_add_sink(events, journal_sink(journal));
}

static void end(void)
{
	events_remove_sink(events, journal_sink(journal));
	journal_close(journal);
	events_close(events);
	unlink(path);
}

static void add(void)
{
	struct event e;

	event_begin(&e, EVENT_GUEST_DIED, "web1");
	e.checkpoint = 42;
	event_number(&e, "exit_status", -6);
	event_text(&e, "reason", "crashed\nMESSAGE=forged");
	event_say(&e, "QEMU of %s died", "web1");
	events_add(events, &e);
}

/* Empty where there is none. */
static const char *receive(int fd)
{
	static char text[8192];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n < 0 ? 0 : n] = 0;
	return text;
}

static void must_have(const char *text, const char *line)
{
	ck_assert_msg(strstr(text, line) != NULL, "%s is not in %s", line, text);
}

START_TEST(an_event_has_its_fields)
{
	begin();
	int fd = listen_here();
	add();
	const char *text = receive(fd);
	ck_assert_int_eq(strncmp(text, "MESSAGE=QEMU of web1 died\nMESSAGE_ID=", 37), 0);
	must_have(text, event_kind_id(EVENT_GUEST_DIED));
	must_have(text, "\nPRIORITY=3\n");
	must_have(text, "\nSYSLOG_IDENTIFIER=vmguardd\n");
	must_have(text, "\nVMGUARD_EVENT=guest-died\n");
	must_have(text, "\nVMGUARD_HOST=host-a\n");
	must_have(text, "\nVMGUARD_GUEST=web1\n");
	must_have(text, "\nVMGUARD_CHECKPOINT=42\n");
	must_have(text, "\nVMGUARD_EXIT_STATUS=-6\n");
	must_have(text, "\nVMGUARD_REASON=crashed?MESSAGE=forged\n");
	ck_assert_ptr_null(strstr(text, "VMGUARD_LOST"));
	close(fd);
	end();
}
END_TEST

START_TEST(what_is_lost_without_journald_is_told_later)
{
	begin();
	add(), add();
	ck_assert_uint_eq(journal_lost(journal), 2);
	int fd = listen_here();
	add();
	must_have(receive(fd), "\nVMGUARD_LOST=2\n");
	ck_assert_uint_eq(journal_lost(journal), 0);
	close(fd);
	end();
}
END_TEST

START_TEST(a_journald_that_hangs_holds_nobody_up)
{
	begin();
	int fd = listen_here();
	for (int i = 0; i < 5000; i++)
		add();
	ck_assert_uint_gt(journal_lost(journal), 0);
	while (*receive(fd))
		;
	add();
	must_have(receive(fd), "\nVMGUARD_LOST=");
	close(fd);
	end();
}
END_TEST

UNIT_MAIN("journal", an_event_has_its_fields, what_is_lost_without_journald_is_told_later,
	  a_journald_that_hangs_holds_nobody_up)

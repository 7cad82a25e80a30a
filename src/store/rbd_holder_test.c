/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rbd_holder.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static struct fault fault;

static struct rbd_holder self(void)
{
	struct rbd_holder h;

	ck_assert_msg(rbd_holder_self(&h, &fault) == 0, "%s", fault.text);
	return h;
}

/* What a child writes of itself, before it waits to be killed. */
static pid_t start_child(struct rbd_holder *h)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		bool told = rbd_holder_self(h, &fault) == 0 &&
			    write(ends[1], h, sizeof(*h)) == sizeof(*h);

		while (told)
			pause();
		_exit(1);
	}
	ck_assert_int_eq(read(ends[0], h, sizeof(*h)), sizeof(*h));
	close(ends[0]);
	close(ends[1]);
	return pid;
}

START_TEST(comes_back_from_its_text)
{
	struct rbd_holder h = self(), back;
	char text[RBD_HOLDER_BYTES];

	rbd_holder_encode(&h, text);
	ck_assert(rbd_holder_decode(&back, text, strlen(text)));
	ck_assert_str_eq(back.host, h.host);
	ck_assert_str_eq(back.boot, h.boot);
	ck_assert_int_eq(back.pid, getpid());
	ck_assert_int_eq(back.since_s, h.since_s);
	ck_assert_uint_eq(back.started, h.started);
	ck_assert_int_eq(rbd_holder_life(&back), RBD_ALIVE);
}
END_TEST

START_TEST(takes_no_other_text)
{
	static const char *const texts[] = {
		"",
		"1",
		"2 host 1 1 0-0 1 1 1",
		"1 ho\x1bst 1 1 0-0 1 1 1",
		"1 host x 1 0-0 1 1 1",
		"1 host 1 1 0-0 1 1",
		"1 host 1 1 0-0 1 1 1 and more",
	};
	char text[RBD_HOLDER_BYTES + 1];
	struct rbd_holder h;

	ck_assert(rbd_holder_decode(&h, "1 host 1 1 0-0 1 1 1", 20));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(!rbd_holder_decode(&h, texts[i], strlen(texts[i])), "%s", texts[i]);
	memset(text, '1', sizeof(text));
	ck_assert(!rbd_holder_decode(&h, text, sizeof(text)));
}
END_TEST

START_TEST(knows_a_process_that_was_killed)
{
	struct rbd_holder h;
	pid_t pid = start_child(&h);

	ck_assert_int_eq(h.pid, pid);
	ck_assert_int_eq(rbd_holder_life(&h), RBD_ALIVE);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	/* Nobody has asked yet how it ended. */
	while (rbd_holder_life(&h) == RBD_ENDING || rbd_holder_life(&h) == RBD_ALIVE)
		usleep(1000);
	ck_assert_int_eq(rbd_holder_life(&h), RBD_DEAD);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(rbd_holder_life(&h), RBD_DEAD);
}
END_TEST

START_TEST(is_not_fooled_by_a_process_id_that_is_used_again)
{
	struct rbd_holder h = self();

	h.started--;
	ck_assert_int_eq(rbd_holder_life(&h), RBD_DEAD);
}
END_TEST

START_TEST(does_not_judge_what_it_cannot_see)
{
	struct rbd_holder elsewhere = self(), container = self(), skewed = self();

	elsewhere.boot[0] = elsewhere.boot[0] == '0' ? '1' : '0';
	elsewhere.pid = 0x3fffffff;
	container.pid_namespace++;
	container.pid = 0x3fffffff;
	skewed.time_namespace++;
	ck_assert_int_eq(rbd_holder_life(&elsewhere), RBD_UNKNOWN);
	ck_assert_int_eq(rbd_holder_life(&container), RBD_UNKNOWN);
	ck_assert_int_eq(rbd_holder_life(&skewed), RBD_UNKNOWN);
}
END_TEST

START_TEST(says_who_it_is)
{
	struct rbd_holder h = {.host = "node1", .pid = 4711, .since_s = 86400 * 365};
	char text[RBD_HOLDER_BYTES];

	setenv("TZ", "UTC", 1);
	rbd_holder_describe(&h, text);
	ck_assert_str_eq(text, "process 4711 on host node1 since 1971-01-01 00:00:00");
}
END_TEST

UNIT_MAIN("rbd_holder", comes_back_from_its_text, takes_no_other_text,
	  knows_a_process_that_was_killed, is_not_fooled_by_a_process_id_that_is_used_again,
	  does_not_judge_what_it_cannot_see, says_who_it_is)

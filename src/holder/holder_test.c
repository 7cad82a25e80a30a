/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/holder.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static struct fault fault;

static struct holder self(void)
{
	struct holder h;

	ck_assert_msg(holder_of(getpid(), &h, &fault) == 0, "%s", fault.text);
	return h;
}

/* What a child writes of itself, before it waits to be killed. */
static pid_t start_child(struct holder *h)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		bool told = holder_of(getpid(), h, &fault) == 0 &&
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
	struct holder h = self(), back;
	char text[HOLDER_BYTES];

	holder_encode(&h, text);
	ck_assert(holder_decode(&back, text, strlen(text)));
	ck_assert_str_eq(back.host, h.host);
	ck_assert_str_eq(back.boot, h.boot);
	ck_assert_int_eq(back.pid, getpid());
	ck_assert_int_eq(back.since_s, h.since_s);
	ck_assert_uint_eq(back.started, h.started);
	ck_assert_int_eq(holder_life(&back), HOLDER_ALIVE);
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
	char text[HOLDER_BYTES + 1];
	struct holder h;

	ck_assert(holder_decode(&h, "1 host 1 1 0-0 1 1 1", 20));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ck_assert_msg(!holder_decode(&h, texts[i], strlen(texts[i])), "%s", texts[i]);
	memset(text, '1', sizeof(text));
	ck_assert(!holder_decode(&h, text, sizeof(text)));
}
END_TEST

START_TEST(knows_a_process_that_was_killed)
{
	struct holder h;
	pid_t pid = start_child(&h);

	ck_assert_int_eq(h.pid, pid);
	ck_assert_int_eq(holder_life(&h), HOLDER_ALIVE);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	/* Nobody has asked yet how it ended. */
	while (holder_life(&h) != HOLDER_DEAD)
		usleep(1000);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(holder_life(&h), HOLDER_DEAD);
}
END_TEST

START_TEST(is_not_fooled_by_a_process_id_that_is_used_again)
{
	struct holder h = self();

	h.started--;
	ck_assert_int_eq(holder_life(&h), HOLDER_DEAD);
}
END_TEST

START_TEST(does_not_judge_what_it_cannot_see)
{
	struct holder elsewhere = self(), container = self(), skewed = self();

	elsewhere.boot[0] = elsewhere.boot[0] == '0' ? '1' : '0';
	elsewhere.pid = 0x3fffffff;
	container.pid_namespace++;
	container.pid = 0x3fffffff;
	skewed.time_namespace++;
	ck_assert_int_eq(holder_life(&elsewhere), HOLDER_UNKNOWN);
	ck_assert_int_eq(holder_life(&container), HOLDER_UNKNOWN);
	ck_assert_int_eq(holder_life(&skewed), HOLDER_UNKNOWN);
}
END_TEST

START_TEST(says_who_it_is)
{
	struct holder h = {.host = "node1", .pid = 4711, .since_s = 86400 * 365};
	char text[HOLDER_BYTES];

	setenv("TZ", "UTC", 1);
	holder_describe(&h, text);
	ck_assert_str_eq(text, "process 4711 on host node1 since 1971-01-01 00:00:00");
}
END_TEST

START_TEST(knows_the_same_process_again)
{
	struct holder h = self(), later = h, other = h;

	later.since_s += 100;
	other.started++;
	ck_assert(holder_is_same(&h, &later));
	ck_assert(!holder_is_same(&h, &other));
	ck_assert_int_lt(holder_of(0x3fffffff, &other, &fault), 0);
}
END_TEST

START_TEST(knows_what_is_gone)
{
	struct holder h = self(), elsewhere = h, rebooted = h, dead = h;

	rebooted.boot[0] = h.boot[0] == '0' ? '1' : '0';
	elsewhere = rebooted;
	elsewhere.host[0] = h.host[0] == 'x' ? 'y' : 'x';
	dead.started--;
	ck_assert(!holder_is_gone(&h));
	ck_assert(!holder_is_gone(&elsewhere));
	ck_assert(holder_is_gone(&rebooted));
	ck_assert(holder_is_gone(&dead));
}
END_TEST

UNIT_MAIN("holder", comes_back_from_its_text, takes_no_other_text, knows_a_process_that_was_killed,
	  is_not_fooled_by_a_process_id_that_is_used_again, does_not_judge_what_it_cannot_see,
	  knows_the_same_process_again, knows_what_is_gone, says_who_it_is)

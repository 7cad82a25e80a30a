/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is closed, and when. */
#include "api/connections.h"

#include <sys/socket.h>
#include <unistd.h>

#include "unit.h"

enum { MAX = 3 };

static struct connections all;
static int sockets[8][2];

static struct connection *connect_at(int i, int64_t now_ms)
{
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets[i]), 0);
	return connection_new(&all, sockets[i][0], now_ms);
}

static bool is_shut(int i)
{
	char byte;

	return recv(sockets[i][1], &byte, 1, 0) == 0;
}

static void begin(void)
{
	all = (struct connections){.max = MAX,
				   .limit_ms = {[CONNECTION_IDLE] = 60, [CONNECTION_READING] = 10}};
}

static void end(int count)
{
	for (int phase = 0; phase < CONNECTION_PHASES; phase++)
		while (all.first[phase])
			connection_free(all.first[phase]);
	for (int i = 0; i < count; i++) {
		close(sockets[i][0]);
		close(sockets[i][1]);
	}
	ck_assert_uint_eq(connections_open(&all), 0);
}

START_TEST(the_longest_idle_one_makes_room)
{
	begin();
	struct connection *first = connect_at(0, 1);
	connect_at(1, 2);
	connect_at(2, 3);
	connection_enter(first, CONNECTION_READING, 4);
	connection_enter(first, CONNECTION_IDLE, 5);
	ck_assert(!connect_at(3, 6)->is_beyond);
	ck_assert(is_shut(1));
	ck_assert(!is_shut(0) && !is_shut(2) && !is_shut(3));
	ck_assert_uint_eq(connections_open(&all), MAX);
	ck_assert_uint_eq(all.closed_for_room, 1);
	end(4);
}
END_TEST

START_TEST(who_works_is_not_closed)
{
	begin();
	connection_enter(connect_at(0, 1), CONNECTION_READING, 1);
	connection_enter(connect_at(1, 1), CONNECTION_HELD, 1);
	connection_enter(connect_at(2, 1), CONNECTION_ANSWERING, 1);
	ck_assert(connect_at(3, 2)->is_beyond);
	ck_assert(!is_shut(0) && !is_shut(1) && !is_shut(2) && !is_shut(3));
	ck_assert_uint_eq(all.closed_for_room, 0);
	end(4);
}
END_TEST

START_TEST(each_phase_has_its_limit)
{
	begin();
	ck_assert_int_eq(connections_due_ms(&all, 0), -1);
	connect_at(0, 0);
	struct connection *reads = connect_at(1, 0);
	struct connection *holds = connect_at(2, 0);
	connection_enter(reads, CONNECTION_READING, 5);
	connection_enter(holds, CONNECTION_HELD, 5);
	ck_assert_int_eq(connections_due_ms(&all, 7), 8);
	connections_end_late(&all, 14);
	ck_assert(!is_shut(1));
	connections_end_late(&all, 15);
	ck_assert(is_shut(1) && !is_shut(0));
	ck_assert_int_eq(connections_due_ms(&all, 15), 45);
	connection_enter(reads, CONNECTION_IDLE, 16); /* its request ends because of it */
	ck_assert_int_eq(reads->phase, CONNECTION_CLOSING);
	connections_end_late(&all, 1000);
	ck_assert(is_shut(0) && !is_shut(2));
	ck_assert_int_eq(connections_due_ms(&all, 1000), -1);
	ck_assert_uint_eq(all.timed_out, 2);
	end(3);
}
END_TEST

UNIT_MAIN("api/connections", the_longest_idle_one_makes_room, who_works_is_not_closed,
	  each_phase_has_its_limit)

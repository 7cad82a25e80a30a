/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The way to the daemon: nobody is there, not everybody may, or it is somebody else. */
#include <grp.h>
#include <sys/stat.h>

#include "api/certificates.h"
#include "client/daemon_scene.h"

START_TEST(nobody_listens)
{
	reset();
	open_client((struct client_options){0});
	must_fail("GET", "/", -ENOENT, "/socket: is vmguardd running? systemctl status vmguardd");
	close(peer_bind());
	must_fail("GET", "/", -ECONNREFUSED,
		  "/socket: is vmguardd running? systemctl status vmguardd");
	client_close(client);
	ck_assert_int_eq(unlink(socket_path), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}
END_TEST

START_TEST(a_full_backlog_is_waited_for)
{
	struct sockaddr_un address;
	socklen_t bytes = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	reset();
	peer = (struct daemon_peer){.listener = peer_bind(),
				    .says = "HTTP/1.1 204 No Content\r\n\r\n"};
	ck_assert_int_eq(listen(peer.listener, 0), 0);
	ck_assert_int_eq(getsockname(peer.listener, (struct sockaddr *)&address, &bytes), 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, bytes), 0); /* it is full */
	open_client((struct client_options){.ask_ms = 300});
	must_fail("GET", "/", -ETIMEDOUT, "connect to vmguardd on");
	client_close(client);
	open_client((struct client_options){0});
	close(fd);
	peer_begin(&peer, peer_say);
	ck_assert_ptr_null(must_ask("DELETE", "/", NULL));
	end();
}
END_TEST

START_TEST(who_may_not_is_told_who_may)
{
	const struct group *group = getgrnam("daemon");

	if (getuid() != 0 || !group)
		return; /* only root can become another */
	begin((struct client_options){0});
	ck_assert_int_eq(seteuid(65534), 0);
	must_fail("GET", "/v1/guests/web1", -EACCES, "root and the group vmguard");
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(chmod(folder, 0711), 0);
	ck_assert_int_eq(chown(socket_path, 0, group->gr_gid), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	must_fail("GET", "/v1/guests/web1", -EACCES, "usermod --append --groups daemon");
	ck_assert_int_eq(seteuid(0), 0);
	end();
}
END_TEST

/* ---- TLS ------------------------------------------------------------------------------------- */

static char files[6][128];

static const char *pem(int slot, const char *name)
{
	snprintf(files[slot], sizeof(files[slot]), "%s/%s.pem", folder, name);
	return files[slot];
}

static void ask_as(const char *host, const char *who, const char *authority)
{
	char key[64], url[64];

	client_close(client);
	snprintf(key, sizeof(key), "%s-key", who);
	snprintf(url, sizeof(url), "https://%s:%u/", host, api_port(peer.api));
	open_client((struct client_options){
		.url = url,
		.certificate = pem(3, who),
		.key = pem(4, key),
		.authority = pem(5, authority),
	});
}

static void begin_tls(void)
{
	struct api_options served = options_of(LONG_MS);

	reset();
	certificates_make(folder);
	served.listen = "0.0.0.0:0";
	served.certificate = pem(0, "server");
	served.key = pem(1, "server-key");
	served.client_ca = pem(2, "ca");
	peer_open(&peer, &served, NULL);
}

static void end_tls(void)
{
	certificates_remove(folder);
	end();
}

START_TEST(another_host_is_asked_with_a_certificate)
{
	begin_tls();
	ask_as("127.0.0.1", "client", "ca");
	must_hear_from("client");
	ck_assert_int_eq(follow_until("/v1/events?ends", "41", 9), 0);
	ck_assert_str_eq(seen, "42 checkpoint-taken;43 checkpoint-taken;44 checkpoint-taken;");
	end_tls();
}
END_TEST

START_TEST(a_host_that_is_another_is_not_asked)
{
	begin_tls();
	ask_as("127.0.0.1", "client", "other-ca");
	must_fail("GET", "/v1/guests/web1", -EACCES, "vmguardd at https://127.0.0.1:");
	ask_as("127.0.0.2", "client", "ca"); /* its certificate has another name */
	must_fail("GET", "/v1/guests/web1", -EACCES, "127.0.0.2");
	ck_assert_uint_eq(handled, 0);
	end_tls();
}
END_TEST

START_TEST(a_host_that_does_not_take_the_certificate_says_nothing)
{
	begin_tls();
	ask_as("127.0.0.1", "stranger", "ca");
	must_fail("GET", "/v1/guests/web1", -ECONNRESET, "does it take the certificate");
	ck_assert_ptr_nonnull(strstr(fault.text, "/stranger.pem?"));
	ck_assert_uint_eq(handled, 0);
	end_tls();
}
END_TEST

START_TEST(a_host_that_is_away_is_named)
{
	struct api_options served;

	begin_tls();
	ask_as("127.0.0.1", "client", "ca");
	peer_close(&peer);
	must_fail("GET", "/v1/guests/web1", -EHOSTUNREACH, "vmguardd at https://127.0.0.1:");
	served = options_of(LONG_MS);
	peer_open(&peer, &served, NULL);
	end_tls();
}
END_TEST

START_TEST(says_which_option_is_missing)
{
	struct client_options none = {0}, plain = {.url = "http://node2:7840"},
			      bare = {.url = "https://node2:7840"};

	ck_assert_int_eq(client_open(&none, &client, &fault), -EINVAL);
	ck_assert_int_eq(client_open(&plain, &client, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "write https://"));
	ck_assert_int_eq(client_open(&bare, &client, &fault), -EINVAL);
	ck_assert_ptr_nonnull(strstr(fault.text, "certificate"));
	bare.certificate = bare.key = bare.authority = "/none/client.pem";
	ck_assert_int_eq(client_open(&bare, &client, &fault), -ENOENT);
	ck_assert_ptr_nonnull(strstr(fault.text, "/none/client.pem: No such file"));
	ck_assert_ptr_null(client);
}
END_TEST

/* ---- what is no daemon ----------------------------------------------------------------------- */

START_TEST(what_cannot_be_understood_is_not_taken)
{
	static const struct {
		const char *says;
		int code;
	} cases[] = {
		{"hello\r\n", -EPROTO},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{x}", -EPROTO},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", -EPROTO},
		{"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", -ECONNRESET},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", -ECONNRESET},
		{"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops", -EIO},
		{"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\n\r\n", -EINVAL},
		{"HTTP/1.1 200 OK\r\n", -EPROTO},
		{"", -ECONNRESET},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin_saying(cases[i].says);
		must_fail("GET", "/v1/host", cases[i].code, "");
		end();
	}
}
END_TEST

UNIT_MAIN("client/reach", nobody_listens, a_full_backlog_is_waited_for, who_may_not_is_told_who_may,
	  another_host_is_asked_with_a_certificate, a_host_that_is_another_is_not_asked,
	  a_host_that_does_not_take_the_certificate_says_nothing, a_host_that_is_away_is_named,
	  says_which_option_is_missing, what_cannot_be_understood_is_not_taken)

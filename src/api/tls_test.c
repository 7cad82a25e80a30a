/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* TCP: nobody gets anything without a certificate of the authority. */
#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>

#include "api/certificates.h"
#include "api/http_peer.h"

static unsigned handled;

static void say_who(void *context, struct api_request *r)
{
	(void)context;
	handled++;
	api_answer_text(r, 200, "text/plain", api_who(r));
}

static const struct api_route routes[] = {
	{"GET", "/", NULL, API_BODY_NONE, {"text/plain"}, say_who},
};

static char certificate[128], key[128], authority[128];

static struct api_options options_of(const char *name, const char *key_name, const char *ca)
{
	snprintf(certificate, sizeof(certificate), "%s/%s.pem", folder, name);
	snprintf(key, sizeof(key), "%s/%s-key.pem", folder, key_name);
	snprintf(authority, sizeof(authority), "%s/%s.pem", folder, ca);
	return (struct api_options){
		.routes = routes,
		.route_count = 1,
		.listen = "127.0.0.1:0",
		.certificate = certificate,
		.key = key,
		.client_ca = authority,
	};
}

static void begin(void)
{
	peer_folder();
	certificates_make(folder);
	struct api_options options = options_of("server", "server", "ca");
	int r = api_open(&options, &api, &fault);
	ck_assert_msg(r == 0, "%s", fault.text);
	ck_assert_uint_ne(api_port(api), 0);
	handled = 0;
}

static void end(void)
{
	api_close(api);
	certificates_remove(folder);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int connect_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(api_port(api)),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	ck_assert(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
		  errno == EINPROGRESS);
	return fd;
}

/* Handshake, request and answer, up to the connection's end. Gives the first error, or 0. */
static int exchange(gnutls_session_t session)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	ssize_t r;

	while ((r = gnutls_handshake(session)) < 0 && !gnutls_error_is_fatal((int)r))
		peer_work(100);
	if (r < 0)
		return (int)r;
	while ((r = gnutls_record_send(session, request, sizeof(request) - 1)) == GNUTLS_E_AGAIN)
		peer_work(100);
	do {
		r = gnutls_record_recv(session, answer + answer_bytes,
				       sizeof(answer) - 1 - answer_bytes);
		answer_bytes += r > 0 ? r : 0;
		if (r < 0)
			peer_work(100);
	} while (r > 0 || (r < 0 && !gnutls_error_is_fatal((int)r)));
	answer[answer_bytes] = 0;
	return (int)r;
}

/* As somebody with this certificate, or NULL: without one. */
static int ask_as(const char *name)
{
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	int fd = connect_port();

	peer_forget();
	gnutls_certificate_allocate_credentials(&credentials);
	if (name) {
		snprintf(certificate, sizeof(certificate), "%s/%s.pem", folder, name);
		snprintf(key, sizeof(key), "%s/%s-key.pem", folder, name);
		ck_assert_int_eq(gnutls_certificate_set_x509_key_file(credentials, certificate, key,
								      GNUTLS_X509_FMT_PEM),
				 0);
	}
	gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_FORCE_CLIENT_CERT);
	gnutls_set_default_priority(session);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_transport_set_int(session, fd);
	int r = exchange(session);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	close(fd);
	for (int i = 0; i < 3; i++)
		peer_work(0);
	return r;
}

START_TEST(who_has_a_certificate_is_served)
{
	begin();
	ck_assert_int_eq(ask_as("client"), 0);
	ck_assert_uint_eq(peer_status(), 200);
	ck_assert_str_eq(peer_body(), "client");
	end();
}
END_TEST

START_TEST(who_has_none_gets_nothing)
{
	static const char *const others[] = {NULL, "stranger", "expired", "server"};

	begin();
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		int r = ask_as(others[i]);

		ck_assert_msg(r < 0, "%s", others[i] ? others[i] : "none");
		ck_assert_msg(answer_bytes == 0, "%s: %s", others[i] ? others[i] : "none", answer);
	}
	ck_assert_uint_eq(handled, 0);
	end();
}
END_TEST

START_TEST(who_speaks_no_tls_gets_nothing)
{
	begin();
	int fd = connect_port();
	while (recv(fd, answer, 1, 0) < 0 && errno != EAGAIN)
		peer_work(10);
	peer_send(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	peer_forget();
	peer_wait_end(fd);
	ck_assert_ptr_null(strstr(answer, "HTTP"));
	ck_assert_uint_eq(handled, 0);
	close(fd);
	end();
}
END_TEST

static void must_not_open(struct api_options options, const char *words)
{
	struct api *none = NULL;

	ck_assert_int_lt(api_open(&options, &none, &fault), 0);
	ck_assert_ptr_null(none);
	ck_assert_msg(strstr(fault.text, words), "%s", fault.text);
}

START_TEST(says_which_file_is_wrong)
{
	begin();
	must_not_open(options_of("none", "server", "ca"), "none.pem: No such file");
	must_not_open(options_of("server", "client", "ca"), "client-key.pem");
	must_not_open(options_of("server", "server", "ca-key"), "ca-key.pem has no certificate");
	struct api_options options = options_of("server", "server", "ca");
	options.client_ca = NULL;
	must_not_open(options, "the authority of clients");
	end();
}
END_TEST

START_TEST(says_what_an_address_is)
{
	static const char *const wrong[] = {"",	      "7840",	     ":7840",	  "127.0.0.1",
					    "::7840", "[::]",	     "host:7840", "127.0.0.1:70000",
					    "[::]:x", "127.0.0.1:-1"};

	begin();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct api_options options = options_of("server", "server", "ca");

		options.listen = wrong[i];
		must_not_open(options, "no address to listen on");
	}
	struct api_options options = options_of("server", "server", "ca");
	char taken[32];
	snprintf(taken, sizeof(taken), "127.0.0.1:%u", api_port(api));
	options.listen = taken;
	must_not_open(options, "Address already in use");
	end();
}
END_TEST

UNIT_MAIN("api/tls", who_has_a_certificate_is_served, who_has_none_gets_nothing,
	  who_speaks_no_tls_gets_nothing, says_which_file_is_wrong, says_what_an_address_is)

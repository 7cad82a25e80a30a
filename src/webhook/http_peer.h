/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For tests: a web server that answers as it is told to, one connection after the other. */
#pragma once

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "unit.h"
#include "vmguard/clock.h"

enum { PEER_REQUESTS = 2048, PEER_BYTES = 8192 };

enum { PEER_CLOSES = 0, PEER_HANGS = -1 }; /* instead of a status */

struct http_peer {
	int listener;
	uint16_t port;
	pthread_t thread;
	gnutls_certificate_credentials_t credentials; /* NULL: no TLS */
	gnutls_session_t session;
	int connection;
	int (*status)(size_t request); /* of the request, from 0; NULL: always 200 */
	const char *header;	       /* of each answer, with line end; NULL: none */
	int64_t delay_us;

	pthread_mutex_t mutex; /* guards what follows */
	char *requests[PEER_REQUESTS];
	int64_t at_ms[PEER_REQUESTS];
	size_t count;
};

/* On `port`; 0: any that is free. Nobody is answered before peer_start(). */
static inline void peer_listen(struct http_peer *p, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	socklen_t bytes = sizeof(address);
	const int yes = 1;

	*p = (struct http_peer){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	pthread_mutex_init(&p->mutex, NULL);
	setsockopt(p->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(p->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(p->listener, 64), 0);
	ck_assert_int_eq(getsockname(p->listener, (struct sockaddr *)&address, &bytes), 0);
	p->port = ntohs(address.sin_port);
}

static inline ssize_t peer_receive(struct http_peer *p, char *data, size_t bytes)
{
	return p->session ? gnutls_record_recv(p->session, data, bytes)
			  : recv(p->connection, data, bytes, 0);
}

static inline void peer_send(struct http_peer *p, const char *text)
{
	if (p->session)
		gnutls_record_send(p->session, text, strlen(text));
	else
		send(p->connection, text, strlen(text), MSG_NOSIGNAL);
}

/* false: there is none, or it is not whole. */
static inline bool peer_read_request(struct http_peer *p, char request[PEER_BYTES])
{
	size_t have = 0;

	for (;;) {
		ssize_t n = peer_receive(p, request + have, PEER_BYTES - 1 - have);

		if (n <= 0)
			return false;
		have += n;
		request[have] = 0;
		const char *body = strstr(request, "\r\n\r\n");
		const char *length = strstr(request, "Content-Length: ");
		if (body && length && body + 4 + strtoul(length + 16, NULL, 10) <= request + have)
			return true;
	}
}

static inline size_t peer_keep(struct http_peer *p, const char *request)
{
	pthread_mutex_lock(&p->mutex);
	ck_assert_uint_lt(p->count, PEER_REQUESTS);
	p->requests[p->count] = strdup(request);
	p->at_ms[p->count] = monotonic_ms();
	size_t number = p->count++;
	pthread_mutex_unlock(&p->mutex);
	return number;
}

static inline void peer_serve(struct http_peer *p)
{
	char request[PEER_BYTES], answer[512];

	if (!peer_read_request(p, request))
		return;
	size_t number = peer_keep(p, request);
	int status = p->status ? p->status(number) : 200;
	if (status == PEER_HANGS) /* until the other side has enough of it */
		while (peer_receive(p, request, 1) > 0)
			;
	if (status <= 0)
		return;
	sleep_us(p->delay_us);
	snprintf(answer, sizeof(answer),
		 "HTTP/1.1 %d Said\r\n%sContent-Length: 2\r\nConnection: close\r\n\r\nok", status,
		 p->header ? p->header : "");
	peer_send(p, answer);
}

static inline void peer_serve_tls(struct http_peer *p)
{
	gnutls_init(&p->session, GNUTLS_SERVER);
	gnutls_set_default_priority(p->session);
	gnutls_credentials_set(p->session, GNUTLS_CRD_CERTIFICATE, p->credentials);
	gnutls_transport_set_int(p->session, p->connection);
	if (gnutls_handshake(p->session) == 0) {
		peer_serve(p);
		gnutls_bye(p->session, GNUTLS_SHUT_WR);
	}
	gnutls_deinit(p->session);
	p->session = NULL;
}

static inline void *peer_run(void *peer)
{
	struct http_peer *p = peer;

	while ((p->connection = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		if (p->credentials)
			peer_serve_tls(p);
		else
			peer_serve(p);
		close(p->connection);
	}
	return NULL;
}

static inline void peer_start(struct http_peer *p)
{
	ck_assert_int_eq(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

static inline size_t peer_count(struct http_peer *p)
{
	pthread_mutex_lock(&p->mutex);
	size_t count = p->count;
	pthread_mutex_unlock(&p->mutex);
	return count;
}

/* Whoever may hang in it has closed his connections. */
static inline void peer_stop(struct http_peer *p)
{
	shutdown(p->listener, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->listener);
	for (size_t i = 0; i < p->count; i++)
		free(p->requests[i]);
	if (p->credentials)
		gnutls_certificate_free_credentials(p->credentials);
	pthread_mutex_destroy(&p->mutex);
}

/* From now on it speaks TLS, with a certificate of its own that is written to `path`. */
static inline void peer_use_tls(struct http_peer *p, const char *path)
{
	const unsigned char address[] = {127, 0, 0, 1};
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	gnutls_datum_t pem;

	gnutls_x509_privkey_init(&key);
	gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
				     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_init(&certificate);
	gnutls_x509_crt_set_version(certificate, 3);
	gnutls_x509_crt_set_serial(certificate, "\x01", 1);
	gnutls_x509_crt_set_dn(certificate, "CN=peer", NULL);
	gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 86400);
	gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address,
					     sizeof(address), GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_key(certificate, key);
	ck_assert_int_eq(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0),
			 0);
	gnutls_certificate_allocate_credentials(&p->credentials);
	ck_assert_int_eq(gnutls_certificate_set_x509_key(p->credentials, &certificate, 1, key), 0);
	ck_assert_int_eq(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	fwrite(pem.data, 1, pem.size, file);
	fclose(file);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(key);
}

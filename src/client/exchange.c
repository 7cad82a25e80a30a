/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One request, by libcurl, and what comes back. */
#include "client/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/problem.h"
#include "vmguard/clock.h"

enum { NAME_BYTES = 300, ATTEMPTS = 3 };

/* ---- curl calls ------------------------------------------------------------------------------ */

static curl_socket_t open_socket(void *client, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct client *c = client;

	(void)purpose;
	c->fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
	return c->fd < 0 ? CURL_SOCKET_BAD : c->fd;
}

/* curl takes a full backlog for a connection: nothing was sent yet, it may try again. */
static int before_request(void *client, char *to, char *from, int to_port, int from_port)
{
	struct client *c = client;
	struct sockaddr_un address;
	socklen_t bytes = sizeof(address);

	(void)to;
	(void)from;
	(void)to_port;
	(void)from_port;
	c->is_full = c->fd >= 0 && getpeername(c->fd, (struct sockaddr *)&address, &bytes) < 0;
	return c->is_full ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

static bool is_stream(const struct exchange *e)
{
	static const char stream[] = "text/event-stream";
	const char *type = NULL;
	long status = 0;

	curl_easy_getinfo(e->client->curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(e->client->curl, CURLINFO_CONTENT_TYPE, &type);
	return e->sse && status == 200 && type && !strncasecmp(type, stream, sizeof(stream) - 1);
}

/* Other than all ends it. */
static size_t receive(char *bytes, size_t one, size_t count, void *exchange)
{
	struct exchange *e = exchange;

	e->heard_ms = monotonic_ms();
	if (is_stream(e))
		e->sse_result = sse_feed(e->sse, bytes, one * count);
	else
		e->too_much = text_add(&e->received, bytes, one * count, CLIENT_ANSWER_BYTES);
	return e->sse_result || e->too_much ? 0 : one * count;
}

/* Comes every second, and after a signal. Other than 0 ends it. */
static int look_up(void *exchange, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	struct exchange *e = exchange;
	const struct client_options *o = &e->client->options;

	(void)a;
	(void)b;
	(void)c;
	(void)d;
	/* Not curl's own limit of speed: a comment each 15 s is less than a byte a second. */
	e->was_silent = e->sse && monotonic_ms() - e->heard_ms > o->silence_ms;
	return e->was_silent || (o->stop && __atomic_load_n(o->stop, __ATOMIC_RELAXED));
}

/* ---- what it is told ------------------------------------------------------------------------- */

static void set_way(struct client *c)
{
	CURL *curl = c->curl;
	const struct client_options *o = &c->options;

	if (o->url) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, o->certificate);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, o->key);
		curl_easy_setopt(curl, CURLOPT_CAINFO, o->authority);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
		return;
	}
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, o->socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, c);
	curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, before_request);
	curl_easy_setopt(curl, CURLOPT_PREREQDATA, c);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
}

static void set_limits(const struct exchange *e)
{
	CURL *curl = e->client->curl;
	const struct client_options *o = &e->client->options;

	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)o->ask_ms);
	if (!e->sse)
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)o->ask_ms);
}

static void set_calls(struct exchange *e)
{
	CURL *curl = e->client->curl;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, e->client->error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, e);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_up);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, e);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* the environment's is not for us */
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "vmguard/" VMGUARD_VERSION);
}

static void set_request(struct exchange *e)
{
	CURL *curl = e->client->curl;

	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, e->method);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* the server judges what ".." is */
	if (e->sent)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, e->sent);
	/* A connection that turns out to be closed may have taken the request first. */
	if (strcmp(e->method, "GET") != 0)
		curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
}

static int add_header(struct curl_slist **headers, const char *name, const char *value)
{
	auto_free char *line = NULL;

	if (!value)
		return 0;
	if (asprintf(&line, "%s: %s", name, value) < 0) {
		line = NULL;
		return -ENOMEM;
	}
	struct curl_slist *more = curl_slist_append(*headers, line);
	if (!more)
		return -ENOMEM;
	*headers = more;
	return 0;
}

/* ---- what came of it ------------------------------------------------------------------------- */

static int timed_out(const struct exchange *e, const char *name, struct fault *f)
{
	const struct client_options *o = &e->client->options;

	if (e->was_silent)
		return fault_set(f, -ETIMEDOUT, "%s was silent on %.200s for %g s", name, e->path,
				 (double)o->silence_ms / 1e3);
	return fault_set(f, -ETIMEDOUT, "%s did not answer %s %.200s within %g s", name, e->method,
			 e->path, (double)o->ask_ms / 1e3);
}

/* Who does not take a certificate ends the connection, and that is all. */
static int closed(const struct exchange *e, const char *name, struct fault *f)
{
	const struct client *c = e->client;

	if (c->options.url && !e->status)
		return fault_set(f, -ECONNRESET,
				 "%s closed the connection without an answer: does it take the "
				 "certificate %.200s? (%s)",
				 name, c->options.certificate, c->error);
	return fault_set(f, -ECONNRESET, "%s closed the connection during %s %.200s: %s", name,
			 e->method, e->path, c->error);
}

static int unreached(const struct exchange *e, CURLcode result, struct fault *f)
{
	const struct client *c = e->client;
	char name[NAME_BYTES];

	reach_name(c, name, sizeof(name));
	switch (result) {
	case CURLE_ABORTED_BY_CALLBACK:
		if (e->was_silent)
			return timed_out(e, name, f);
		return fault_set(f, -ECANCELED, "asking %s was stopped", name);
	case CURLE_OPERATION_TIMEDOUT:
		return timed_out(e, name, f);
	case CURLE_OUT_OF_MEMORY:
		return fault_errno(f, -ENOMEM, "ask %s", name);
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
		return closed(e, name, f);
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return fault_set(f, -EINVAL, "%s cannot be asked: %s", name, c->error);
	case CURLE_PEER_FAILED_VERIFICATION:
		return fault_set(f, -EACCES, "%s: %s", name, c->error);
	default:
		return fault_set(f, c->options.url ? -EHOSTUNREACH : -EPROTO,
				 "%s cannot be asked: %s", name,
				 c->error[0] ? c->error : curl_easy_strerror(result));
	}
}

static int judge(struct exchange *e, CURLcode result, struct fault *f)
{
	char name[NAME_BYTES];

	if (e->sse && e->sse->told)
		return 0; /* its reader has had enough */
	if (e->sse_result)
		return fault_errno(f, e->sse_result, "read an event of %.200s", e->path);
	if (e->too_much)
		return fault_errno(f, e->too_much, "read the answer to %s %.200s", e->method,
				   e->path);
	curl_easy_getinfo(e->client->curl, CURLINFO_RESPONSE_CODE, &e->status);
	if (result != CURLE_OK)
		return unreached(e, result, f);
	reach_name(e->client, name, sizeof(name));
	if (e->status < 200 || e->status >= 300)
		return problem_read(name, (unsigned)e->status, exchange_text(e), e->received.count,
				    f);
	if (e->sse && !is_stream(e))
		return fault_set(f, -EPROTO, "%s has no stream at %.200s", name, e->path);
	return 0;
}

static CURLcode try_once(struct exchange *e)
{
	e->client->fd = -1;
	e->client->is_full = false;
	e->heard_ms = monotonic_ms();
	return curl_easy_perform(e->client->curl);
}

/* What is not reached is asked by ourselves for the reason, which curl does not tell. */
static int attempt(struct exchange *e, struct fault *f)
{
	struct client *c = e->client;
	CURLcode result = try_once(e);

	for (int i = 0; !c->options.url && (c->is_full || result == CURLE_COULDNT_CONNECT); i++) {
		int code = i < ATTEMPTS ? reach_wait(c) : -ETIMEDOUT;

		if (code < 0)
			return reach_fault(c, code, f);
		result = try_once(e);
	}
	return judge(e, result, f);
}

/* NULL: no memory. */
static char *url_of(const struct exchange *e)
{
	const char *host = e->client->options.url ? e->client->options.url : "http://vmguardd";
	size_t bytes = strlen(host);
	char *url;

	while (bytes && host[bytes - 1] == '/')
		bytes--;
	return asprintf(&url, "%.*s%s", (int)bytes, host, e->path) < 0 ? NULL : url;
}

static int perform(struct exchange *e, struct curl_slist *headers, struct fault *f)
{
	struct client *c = e->client;
	auto_free char *url = url_of(e);

	if (!url)
		return fault_errno(f, -ENOMEM, "ask vmguardd");
	curl_easy_reset(c->curl); /* its connections stay */
	c->error[0] = 0;
	set_way(c);
	set_limits(e);
	set_calls(e);
	set_request(e);
	curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c->curl, CURLOPT_URL, url);
	return attempt(e, f);
}

int exchange_run(struct exchange *e, struct fault *f)
{
	struct curl_slist *headers = NULL;
	int r = add_header(&headers, "Accept", e->accept);

	if (r == 0 && e->sent)
		r = add_header(&headers, "Content-Type", "application/json");
	if (r == 0)
		r = add_header(&headers, "Last-Event-ID", e->after);
	r = r ? fault_errno(f, r, "ask vmguardd") : perform(e, headers, f);
	curl_slist_free_all(headers);
	return r;
}

const char *exchange_text(const struct exchange *e)
{
	return e->received.bytes ? e->received.bytes : "";
}

void exchange_close(struct exchange *e)
{
	free(e->received.bytes);
}

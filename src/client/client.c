/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmguard/client.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "client/exchange.h"
#include "vmguard/json_text.h"

enum { NO_CONTENT = 204 };

static void begin_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int copy(const char **text)
{
	*text = *text ? strdup(*text) : NULL;
	return *text ? 0 : -ENOMEM;
}

/* Also where it fails all of the client's texts are its own, or NULL. */
static int copy_texts(struct client_options *o, const struct client_options *from)
{
	const char **const texts[] = {&o->socket, &o->url, &o->certificate, &o->key, &o->authority};
	int r = 0;

	*o = *from;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (*texts[i] && copy(texts[i]) < 0)
			r = -ENOMEM;
	return r;
}

static int check(const struct client_options *o, struct fault *f)
{
	if (!o->socket && !o->url)
		return fault_set(f, -EINVAL,
				 "neither the socket nor the address of a vmguardd is "
				 "given");
	if (!o->url)
		return 0;
	if (strncmp(o->url, "https://", 8) != 0)
		return fault_set(f, -EINVAL,
				 "%s is no address of a vmguardd: write https://HOST:7840", o->url);
	if (!o->certificate || !o->key || !o->authority)
		return fault_set(f, -EINVAL,
				 "%s is only for who has a certificate: its file, its key and the "
				 "authority of the server are needed",
				 o->url);
	const char *const files[] = {o->certificate, o->key, o->authority};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(files[i], R_OK) < 0)
			return fault_errno(f, -errno, "ask %s with %s", o->url, files[i]);
	return 0;
}

int client_open(const struct client_options *options, struct client **out, struct fault *f)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	auto_of(client_close) struct client *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (check(options, f) < 0)
		return f->code;
	pthread_once(&once, begin_curl);
	if (!c || copy_texts(&c->options, options) < 0 || !(c->curl = curl_easy_init()))
		return fault_errno(f, -ENOMEM, "ask vmguardd");
	if (!c->options.ask_ms)
		c->options.ask_ms = CLIENT_ASK_MS;
	if (!c->options.silence_ms)
		c->options.silence_ms = CLIENT_SILENCE_MS;
	*out = give(c);
	return 0;
}

void client_close(struct client *c)
{
	if (!c)
		return;
	if (c->curl)
		curl_easy_cleanup(c->curl);
	free((char *)c->options.socket);
	free((char *)c->options.url);
	free((char *)c->options.certificate);
	free((char *)c->options.key);
	free((char *)c->options.authority);
	free(c);
}

static int read_answer(const struct exchange *e, struct json_object **answer, struct fault *f)
{
	if (!answer || e->status == NO_CONTENT)
		return 0;
	if (json_text_read(exchange_text(e), e->received.count, answer, f) == 0)
		return 0;
	f->code = f->code == -ENOMEM ? -ENOMEM : -EPROTO;
	return fault_wrap(f, "the answer to %s %.200s cannot be read", e->method, e->path);
}

int client_ask(struct client *c, const char *method, const char *path, struct json_object *body,
	       struct json_object **answer, struct fault *f)
{
	auto_free char *sent = body ? json_text_write(body) : NULL;
	struct exchange e = {
		.client = c,
		.method = method,
		.path = path,
		.accept = "application/json, application/problem+json",
		.sent = sent,
	};

	if (answer)
		*answer = NULL;
	if (body && !sent)
		return fault_errno(f, -ENOMEM, "ask vmguardd");
	int r = exchange_run(&e, f);
	if (r == 0)
		r = read_answer(&e, answer, f);
	exchange_close(&e);
	return r;
}

int client_text(struct client *c, const char *path, char **text, struct fault *f)
{
	struct exchange e = {.client = c, .method = "GET", .path = path, .accept = "*/*"};
	int r = exchange_run(&e, f);

	*text = r == 0 ? strdup(exchange_text(&e)) : NULL;
	exchange_close(&e);
	return r == 0 && !*text ? fault_errno(f, -ENOMEM, "ask vmguardd") : r;
}

int client_follow(struct client *c, const char *path, const char *after,
		  int (*event)(void *context, const struct client_event *e), void *context,
		  struct fault *f)
{
	struct sse sse = {.event = event, .context = context};
	struct exchange e = {
		.client = c,
		.method = "GET",
		.path = path,
		.accept = "text/event-stream, application/problem+json;q=0.1",
		.after = after,
		.sse = &sse,
	};

	int r = exchange_run(&e, f);
	exchange_close(&e);
	sse_close(&sse);
	return sse.told ? sse.told : r;
}

char *client_encode(const char *name)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~"; /* RFC 3986, section 2.3 */
	static const char digits[] = "0123456789ABCDEF";
	char *encoded = malloc(3 * strlen(name) + 1), *to = encoded;

	for (; encoded && *name; name++) {
		if (strchr(plain, *name)) {
			*to++ = *name;
			continue;
		}
		*to++ = '%';
		*to++ = digits[(unsigned char)*name >> 4];
		*to++ = digits[*name & 15];
	}
	if (encoded)
		*to = 0;
	return encoded;
}

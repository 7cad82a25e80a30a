/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked of a request, and what is answered. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/route.h"
#include "api/server.h"
#include "vmguard/json_text.h"
#include "vmguard/utf8.h"

/* ---- what is asked --------------------------------------------------------------------------- */

const char *api_method(const struct api_request *r)
{
	return r->method;
}

const char *api_path(const struct api_request *r)
{
	return r->target.path;
}

const char *api_param(const struct api_request *r, const char *name)
{
	return route_param(r->route, &r->target, name);
}

const char *api_query(const struct api_request *r, const char *name)
{
	for (unsigned i = 0; i < r->target.query_count; i++)
		if (!strcmp(r->target.queries[i].name, name))
			return r->target.queries[i].value;
	return NULL;
}

const char *api_header(const struct api_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, name);
}

struct json_object *api_body(const struct api_request *r)
{
	return r->body;
}

const char *api_type(const struct api_request *r)
{
	return r->type;
}

const char *api_last_event_id(const struct api_request *r)
{
	return api_header(r, "Last-Event-ID");
}

const char *api_who(struct api_request *r)
{
	if (!r->who[0])
		who_is(r->mhd, r->who);
	return r->who;
}

/* ---- the answer ------------------------------------------------------------------------------ */

static struct MHD_Response *no_memory(void)
{
	static const char text[] = "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\","
				   "\"status\":500,\"detail\":\"there is no memory left\","
				   "\"code\":\"ENOMEM\"}";
	struct MHD_Response *response = MHD_create_response_from_buffer(
		sizeof(text) - 1, (void *)text, MHD_RESPMEM_PERSISTENT);

	if (response)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
					"application/problem+json");
	return response;
}

void answer_with(struct api_request *r, unsigned status, struct MHD_Response *response)
{
	assert(!r->answer);
	r->status = response ? status : MHD_HTTP_INTERNAL_SERVER_ERROR;
	r->answer = response ? response : no_memory();
	for (unsigned i = 0; r->answer && i < r->header_count; i++)
		MHD_add_response_header(r->answer, r->headers[i].name, r->headers[i].value);
	if (r->answer) {
		MHD_add_response_header(r->answer, "X-Content-Type-Options", "nosniff");
		MHD_add_response_header(r->answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	} else
		r->is_lost = true;
	request_wake(r);
}

void api_answer_header(struct api_request *r, const char *name, const char *value)
{
	if (r->header_count == sizeof(r->headers) / sizeof(r->headers[0]))
		return;
	char *copies[] = {strdup(name), strdup(value)};
	if (!copies[0] || !copies[1]) {
		free(copies[0]);
		free(copies[1]);
		return;
	}
	r->headers[r->header_count].name = copies[0];
	r->headers[r->header_count++].value = copies[1];
}

static void answer_bytes(struct api_request *r, unsigned status, const char *type,
			 const void *bytes, size_t count, enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(count, (void *)bytes, mode);

	if (response && type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (!response && mode == MHD_RESPMEM_MUST_FREE)
		free((void *)bytes);
	answer_with(r, status, response);
}

static void answer_object(struct api_request *r, unsigned status, const char *type,
			  struct json_object *o)
{
	char *text = o ? json_text_write(o) : NULL;

	json_object_put(o);
	if (text)
		answer_bytes(r, status, type, text, strlen(text), MHD_RESPMEM_MUST_FREE);
	else
		answer_with(r, status, NULL);
}

void api_answer_json(struct api_request *r, unsigned status, struct json_object *o)
{
	answer_object(r, status, "application/json", o);
}

void api_answer_text(struct api_request *r, unsigned status, const char *type, const char *text)
{
	answer_bytes(r, status, type, text, strlen(text), MHD_RESPMEM_MUST_COPY);
}

void api_answer_static(struct api_request *r, const char *type, const void *bytes, size_t count)
{
	answer_bytes(r, MHD_HTTP_OK, type, bytes, count, MHD_RESPMEM_PERSISTENT);
}

void api_answer_empty(struct api_request *r)
{
	answer_bytes(r, MHD_HTTP_NO_CONTENT, NULL, "", 0, MHD_RESPMEM_PERSISTENT);
}

/* ---- problems: RFC 9457 ---------------------------------------------------------------------- */

unsigned api_status_of(int code)
{
	static const struct {
		int code;
		unsigned status;
	} table[] = {
		{EINVAL, 400},	     {EBADMSG, 400},  {ERANGE, 400},	      {E2BIG, 400},
		{ENAMETOOLONG, 400}, {EPERM, 403},    {EACCES, 403},	      {ENOENT, 404},
		{ENODEV, 404},	     {ESRCH, 404},    {EEXIST, 409},	      {EBUSY, 409},
		{ESTALE, 409},	     {EALREADY, 409}, {ECANCELED, 409},	      {ENOTEMPTY, 409},
		{EOPNOTSUPP, 501},   {ENOSYS, 501},   {EPROTONOSUPPORT, 501}, {ESHUTDOWN, 503},
		{EAGAIN, 503},	     {ENOTCONN, 503}, {ECONNREFUSED, 503},    {EHOSTUNREACH, 503},
		{ETIMEDOUT, 504},    {ENOSPC, 507},   {EDQUOT, 507},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].code == -code)
			return table[i].status;
	return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

static int add(struct json_object *o, const char *name, struct json_object *value)
{
	if (value && json_object_object_add(o, name, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

static struct json_object *problem(const struct api_request *r, unsigned status,
				   const struct fault *f)
{
	auto_of(json_object_put) struct json_object *o = json_object_new_object();
	const char *code = f->code ? strerrorname_np(-f->code) : NULL;
	char detail[FAULT_TEXT_BYTES];

	snprintf(detail, sizeof(detail), "%s", f->text);
	utf8_clean(detail);
	if (!o || add(o, "type", json_object_new_string("about:blank")) < 0 ||
	    add(o, "title", json_object_new_string(MHD_get_reason_phrase_for(status))) < 0 ||
	    add(o, "status", json_object_new_int((int)status)) < 0 ||
	    add(o, "detail", json_object_new_string(detail)) < 0)
		return NULL;
	/* One that cannot be read is what the problem is about. */
	if (!r->target_fault.code && add(o, "instance", json_object_new_string(r->target.path)) < 0)
		return NULL;
	if (code && add(o, "code", json_object_new_string(code)) < 0)
		return NULL;
	return give(o);
}

void api_answer_problem(struct api_request *r, unsigned status, const struct fault *f)
{
	answer_object(r, status, "application/problem+json", problem(r, status, f));
}

void api_answer_fault(struct api_request *r, const struct fault *f)
{
	api_answer_problem(r, api_status_of(f->code), f);
}

void answer_refuse(struct api_request *r, unsigned status, const char *format, ...)
{
	struct fault f = {0};
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(f.text, sizeof(f.text), format, arguments);
	va_end(arguments);
	api_answer_problem(r, status, &f);
}

void api_answer_later(struct api_request *r, void (*gone)(void *context), void *context)
{
	r->gone = gone;
	r->gone_context = context;
}

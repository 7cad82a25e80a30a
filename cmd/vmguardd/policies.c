/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies are in the store: each request is a job, and answered when that is over. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "serve.h"
#include "vmguard/json_add.h"
#include "vmguard/json_text.h"

enum { TRIES = 5 }; /* where somebody else changes the same policy */

struct change {
	struct job base;
	struct daemon *daemon;
	struct api_request *request; /* NULL: nobody waits any more */
	int (*what)(struct change *c, struct store *s);
	unsigned status; /* where it went well */
	char guest[STORE_NAME_BYTES], store[CONFIG_TEXT_BYTES];
	uint64_t generation;	      /* that it has to be of; 0: any */
	struct json_object *settings; /* NULL: none */
	struct policy policy;	      /* the defaults at first, then what came of it */
	struct fault fault;
};

/* ---- in the worker -------------------------------------------------------------------------- */

static int read_policy(struct change *c, struct store *s)
{
	return policy_load(s, c->guest, &c->policy, &c->fault);
}

static int protect(struct change *c, struct store *s)
{
	struct policy *p = &c->policy;
	int r = policy_apply(p, c->settings, &c->fault);

	if (!r && !p->domain[0] && !p->qmp[0])
		r = policy_set(p, "domain", c->guest, &c->fault);
	if (!r)
		r = policy_check(p, &c->fault);
	if (!r)
		r = policy_save(s, c->guest, p, &c->fault);
	if (r == -EEXIST)
		fault_set(&c->fault, r,
			  "guest %s is protected already: 'vmguard policy %s --set KEY=VALUE' "
			  "changes how",
			  c->guest, c->guest);
	return r;
}

/* The checkpoints under this name are of one guest. */
static int check_same(const char *guest, const struct policy *was, const struct policy *is,
		      struct fault *f)
{
	if (!strcmp(was->domain, is->domain) && !strcmp(was->connect, is->connect) &&
	    !strcmp(was->qmp, is->qmp))
		return 0;
	return fault_set(f, -EINVAL,
			 "which guest %s is cannot be changed: 'vmguard unprotect %s', and protect "
			 "the other one",
			 guest, guest);
}

static int change_once(struct change *c, struct store *s)
{
	struct policy *p = &c->policy, was;
	int r = policy_load(s, c->guest, p, &c->fault);

	if (!r && c->generation && p->generation != c->generation)
		r = fault_set(&c->fault, -ESTALE,
			      "the policy of %s is of generation %" PRIu64 " now, not %" PRIu64
			      ": read it again",
			      c->guest, p->generation, c->generation);
	was = *p;
	if (!r)
		r = policy_apply(p, c->settings, &c->fault);
	if (!r)
		r = check_same(c->guest, &was, p, &c->fault);
	if (!r)
		r = policy_check(p, &c->fault);
	return r < 0 ? r : policy_save(s, c->guest, p, &c->fault);
}

static int change(struct change *c, struct store *s)
{
	int r = -ESTALE;

	for (int i = 0; r == -ESTALE && i < (c->generation ? 1 : TRIES); i++)
		r = change_once(c, s);
	return r;
}

static int unprotect(struct change *c, struct store *s)
{
	return policy_remove(s, c->guest, 0, &c->fault);
}

static int run(struct job *base)
{
	struct change *c = (struct change *)base;
	auto_of(store_close) struct store *s = NULL;
	int r = store_open(c->store, &s, &c->fault);

	return r < 0 ? r : c->what(c, s);
}

/* ---- in the loop ---------------------------------------------------------------------------- */

static void leave(struct job *base)
{
	struct change *c = (struct change *)base;

	json_object_put(c->settings);
	free(c);
}

static void answer(struct change *c)
{
	if (c->base.result < 0)
		api_answer_fault(c->request, &c->fault);
	else if (c->status == 204)
		api_answer_empty(c->request);
	else
		api_answer_json(c->request, c->status, describe_policy(c->guest, &c->policy));
}

static void done(struct job *base)
{
	struct change *c = (struct change *)base;
	struct daemon *d = c->daemon;

	if (base->result == -ECANCELED && !c->fault.code)
		fault_set(&c->fault, -ECANCELED, "vmguardd is ending");
	if (c->request)
		answer(c);
	if (c->what != read_policy)
		d->list_ms = 0; /* the guests follow at once */
	leave(base);
	daemon_step(d);
}

static void on_gone(void *change)
{
	((struct change *)change)->request = NULL;
}

/* {"generation": 7, "settings": {…}} */
static int take_body(struct change *c, struct json_object *body)
{
	struct json_object *settings = json_object_object_get(body, "settings"), *generation;
	size_t known = settings != NULL;

	if (json_object_object_get_ex(body, "generation", &generation)) {
		c->generation = json_object_get_uint64(generation);
		known++;
	}
	if (!json_object_is_type(settings, json_type_object) ||
	    known != (size_t)json_object_object_length(body) || (known == 2 && !c->generation))
		return fault_set(&c->fault, -EINVAL,
				 "a policy is {\"settings\": {KEY: VALUE, ...}}, and where it has "
				 "to be of a generation, {\"generation\": NUMBER, ...}");
	return json_object_deep_copy(settings, &c->settings, NULL) < 0
		       ? fault_errno(&c->fault, -ENOMEM, "read the settings")
		       : 0;
}

static struct change *change_new(struct daemon *d, struct api_request *r)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct change){.base = {.run = run, .done = done, .leave = leave},
			     .daemon = d,
			     .request = r,
			     .policy = d->defaults};
	snprintf(c->store, sizeof(c->store), "%s", d->config.store);
	snprintf(c->guest, sizeof(c->guest), "%s", api_param(r, "name"));
	return c;
}

static void begin(struct daemon *d, struct api_request *r,
		  int (*what)(struct change *c, struct store *s), unsigned status)
{
	struct change *c = change_new(d, r);
	struct fault f;
	int e = 0;

	if (!c) {
		fault_errno(&f, -ENOMEM, "the policy of %s", api_param(r, "name"));
		api_answer_fault(r, &f);
		return;
	}
	c->what = what;
	c->status = status;
	if (strlen(api_param(r, "name")) >= STORE_NAME_BYTES)
		e = fault_set(&c->fault, -EINVAL, "a guest's name has at most %d bytes",
			      STORE_NAME_BYTES - 1);
	if (!e && api_body(r))
		e = take_body(c, api_body(r));
	if (!e)
		e = jobs_add(d->others, &c->base, &c->fault);
	if (!e) {
		api_answer_later(r, on_gone, c);
		return;
	}
	api_answer_fault(r, &c->fault);
	leave(&c->base);
}

void policy_get(void *daemon, struct api_request *r)
{
	begin(daemon, r, read_policy, 200);
}

void policy_put(void *daemon, struct api_request *r)
{
	begin(daemon, r, protect, 201);
}

void policy_patch(void *daemon, struct api_request *r)
{
	begin(daemon, r, change, 200);
}

void policy_delete(void *daemon, struct api_request *r)
{
	begin(daemon, r, unprotect, 204);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A policy as JSON, and back. The form is drawn in policy.h. */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "vmguard/policy.h"
#include "vmguard/scope.h"

enum { TEXT_FORMAT = 1, TEXT_DEPTH = 4 };

SCOPE_CLOSER(json_object_put, struct json_object)
SCOPE_CLOSER(json_tokener_free, struct json_tokener)

/* ---- out --------------------------------------------------------------------------------- */

/* Takes the value over. */
static int add(struct json_object *o, const char *key, struct json_object *value)
{
	if (value && json_object_object_add(o, key, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

struct json_object *policy_settings(const struct policy *p)
{
	auto_of(json_object_put) struct json_object *o = json_object_new_object();
	const struct policy_key *key;
	char text[POLICY_VALUE_BYTES];

	for (size_t i = 0; o && (key = policy_key(i)); i++)
		if (add(o, key->name, json_object_new_string(policy_text(p, key->name, text))) < 0)
			return NULL;
	return give(o);
}

int policy_encode(const struct policy *p, char **text, struct fault *f)
{
	auto_of(json_object_put) struct json_object *o = json_object_new_object();
	const char *json = NULL;

	if (o && add(o, "format", json_object_new_int(TEXT_FORMAT)) == 0 &&
	    add(o, "generation", json_object_new_uint64(p->generation)) == 0 &&
	    add(o, "settings", policy_settings(p)) == 0)
		json = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	*text = json ? strdup(json) : NULL;
	return *text ? 0 : fault_errno(f, -ENOMEM, "write a policy");
}

/* ---- in ---------------------------------------------------------------------------------- */

static int apply_one(struct policy *p, const char *name, struct json_object *value, struct fault *f)
{
	const char *text = NULL;

	if (json_object_is_type(value, json_type_string) ||
	    json_object_is_type(value, json_type_int))
		text = json_object_get_string(value);
	if (!text)
		return fault_set(f, -EINVAL, "%.40s is neither a text nor a whole number", name);
	if (json_object_is_type(value, json_type_string) &&
	    (size_t)json_object_get_string_len(value) != strlen(text))
		return fault_set(f, -EINVAL, "%.40s has a zero byte in it", name);
	return policy_set(p, name, text, f);
}

int policy_apply(struct policy *p, struct json_object *settings, struct fault *f)
{
	struct policy changed = *p;

	if (!json_object_is_type(settings, json_type_object))
		return fault_set(f, -EINVAL, "the settings of a policy are a JSON object");
	json_object_object_foreach(settings, name, value)
	{
		int r = apply_one(&changed, name, value, f);

		if (r < 0)
			return r;
	}
	*p = changed;
	return 0;
}

/* 0: it has none above 0. */
static uint64_t number_of(struct json_object *o, const char *key)
{
	struct json_object *value = json_object_object_get(o, key);

	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return 0;
	return json_object_get_uint64(value);
}

static int check_keys(struct json_object *o, struct fault *f)
{
	json_object_object_foreach(o, name, value)
	{
		(void)value;
		if (strcmp(name, "format") != 0 && strcmp(name, "generation") != 0 &&
		    strcmp(name, "settings") != 0)
			return fault_set(f, -EINVAL, "a policy has no \"%.40s\"", name);
	}
	return 0;
}

static int decode(struct json_object *o, struct policy *p, struct fault *f)
{
	uint64_t format = number_of(o, "format");
	int r;

	if (!format)
		return fault_set(f, -EINVAL, "a policy without a format");
	if (format > TEXT_FORMAT)
		return fault_set(f, -EPROTONOSUPPORT,
				 "a policy of format %llu, which a newer vmguard has written: this "
				 "one reads format %d",
				 (unsigned long long)format, TEXT_FORMAT);
	p->generation = number_of(o, "generation");
	if (!p->generation)
		return fault_set(f, -EINVAL, "a policy without a generation");
	r = check_keys(o, f);
	if (!r)
		r = policy_apply(p, json_object_object_get(o, "settings"), f);
	return r ? r : policy_check(p, f);
}

int policy_decode(const char *text, struct policy *p, struct fault *f)
{
	auto_of(json_tokener_free) struct json_tokener *tokener = json_tokener_new_ex(TEXT_DEPTH);
	auto_of(json_object_put) struct json_object *o = NULL;

	policy_init(p);
	if (!tokener)
		return fault_errno(f, -ENOMEM, "read a policy");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(tokener, text, (int)strlen(text));
	if (json_tokener_get_error(tokener) != json_tokener_success ||
	    !json_object_is_type(o, json_type_object))
		return fault_set(f, -EINVAL, "a policy that is no JSON object");
	return decode(o, p, f);
}

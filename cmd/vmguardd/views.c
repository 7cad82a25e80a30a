/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is answered from what the loop knows. */
#include "describe.h"
#include "serve.h"
#include "vmguard/operations.h"

void view_host(void *daemon, struct api_request *r)
{
	api_answer_json(r, 200, describe_host(daemon));
}

void view_guest(void *daemon, struct api_request *r)
{
	const struct guest *g = serve_guest(daemon, r);

	if (g)
		api_answer_json(r, 200, describe_guest(g));
}

void view_history(void *daemon, struct api_request *r)
{
	const struct guest *g = serve_guest(daemon, r);

	if (g)
		api_answer_json(r, 200, describe_history(g));
}

void view_operations(void *daemon, struct api_request *r)
{
	struct json_object *o = json_object_new_object(), *array = json_object_new_array();
	const struct daemon *d = daemon;

	for (const struct operation *one = operations_newest(d->operations); one; one = one->older)
		json_object_array_add(array, operation_json(one));
	json_object_object_add(o, "operations", array);
	api_answer_json(r, 200, o);
}

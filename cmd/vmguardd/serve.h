/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handlers of the table of routes, and what they share. Each has `context`, the daemon. */
#pragma once

#include "guest.h"
#include "vmguard/api.h"

/* The guest that the path names; NULL: it is not protected, which was answered. */
struct guest *serve_guest(struct daemon *d, struct api_request *r);

/* Whether a stream of events is wanted. */
bool serve_wants_stream(const struct api_request *r);

/* views.c */
void view_host(void *daemon, struct api_request *r);
void view_guest(void *daemon, struct api_request *r);
void view_history(void *daemon, struct api_request *r);
void view_operations(void *daemon, struct api_request *r);
void view_metrics(void *daemon, struct api_request *r);

/* page.c: the status page */
void view_page(void *daemon, struct api_request *r);

/* policies.c */
void policy_get(void *daemon, struct api_request *r);
void policy_put(void *daemon, struct api_request *r);
void policy_patch(void *daemon, struct api_request *r);
void policy_delete(void *daemon, struct api_request *r);

/* requests.c */
void request_capture(void *daemon, struct api_request *r);
void request_restore(void *daemon, struct api_request *r);
void request_cancel(void *daemon, struct api_request *r);

/* follow.c: these answer at once or with a stream */
void follow_guests(void *daemon, struct api_request *r);
void follow_operation(void *daemon, struct api_request *r);
void follow_events(void *daemon, struct api_request *r);

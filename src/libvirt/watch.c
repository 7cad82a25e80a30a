/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 *	watch thread: connect, listen, list, wait until the connection is lost, again
 *	libvirt's thread: what happens --> sights
 */
#include "vmguard/libvirt_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "libvirt/connection.h"
#include "libvirt/error.h"
#include "libvirt/events.h"
#include "libvirt/loop.h"
#include "vmguard/clock.h"
#include "vmguard/deadline.h"

enum {
	AGAIN_MS = 1000,
	KEEPALIVE_SECONDS = 5,
	KEEPALIVES = 3, /* a libvirtd that is silent for so many is away */
};

struct libvirt_watch {
	char *uri;
	int fd;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	unsigned references; /* the owner's, the thread's, and each callback's */
	bool closing, lost;
	struct libvirt_sight *first, **end;
};

static struct libvirt_watch *ref(struct libvirt_watch *w)
{
	pthread_mutex_lock(&w->lock);
	w->references++;
	pthread_mutex_unlock(&w->lock);
	return w;
}

static void unref(void *watch)
{
	struct libvirt_watch *w = watch;

	pthread_mutex_lock(&w->lock);
	bool is_last = --w->references == 0;
	pthread_mutex_unlock(&w->lock);
	if (!is_last)
		return;
	for (struct libvirt_sight *s; (s = w->first);) {
		w->first = s->next;
		free(s);
	}
	close(w->fd);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w->uri);
	free(w);
}

/* ---- sights ------------------------------------------------------------------------------ */

static void post(struct libvirt_watch *w, enum libvirt_sight_kind kind, virDomainPtr domain,
		 const char *how)
{
	struct libvirt_sight *s = calloc(1, sizeof(*s));
	const uint64_t one = 1;

	if (!s)
		return;
	s->kind = kind;
	snprintf(s->how, sizeof(s->how), "%s", how);
	if (domain) {
		snprintf(s->name, sizeof(s->name), "%s", virDomainGetName(domain));
		virDomainGetUUIDString(domain, s->uuid);
	}
	pthread_mutex_lock(&w->lock);
	*w->end = s;
	w->end = &s->next;
	pthread_mutex_unlock(&w->lock);
	(void)!write(w->fd, &one, sizeof(one));
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
			void *watch)
{
	bool died = detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED ||
		    detail == VIR_DOMAIN_EVENT_STOPPED_FAILED;

	(void)connection;
	if (event == VIR_DOMAIN_EVENT_STARTED)
		post(watch, LIBVIRT_RUNS, domain, "");
	else if (event == VIR_DOMAIN_EVENT_STOPPED)
		post(watch, died ? LIBVIRT_DIED : LIBVIRT_ENDED, domain,
		     events_how_stopped(detail));
	return 0;
}

static void on_close(virConnectPtr connection, int reason, void *watch)
{
	struct libvirt_watch *w = watch;

	(void)connection;
	(void)reason;
	pthread_mutex_lock(&w->lock);
	w->lost = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* ---- what there is when it connects ------------------------------------------------------ */

static enum libvirt_sight_kind kind_of(int state, int reason, const char **how)
{
	*how = "";
	if (state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED)
		return LIBVIRT_RUNS;
	switch (reason) {
	case VIR_DOMAIN_SHUTOFF_SHUTDOWN:
		*how = "it was shut down";
		return LIBVIRT_ENDED;
	case VIR_DOMAIN_SHUTOFF_DESTROYED:
		*how = "it was destroyed";
		return LIBVIRT_ENDED;
	case VIR_DOMAIN_SHUTOFF_MIGRATED:
		*how = "it was migrated away";
		return LIBVIRT_ENDED;
	case VIR_DOMAIN_SHUTOFF_SAVED:
		*how = "it was saved";
		return LIBVIRT_ENDED;
	case VIR_DOMAIN_SHUTOFF_CRASHED:
	case VIR_DOMAIN_SHUTOFF_FAILED:
		*how = "its QEMU died";
		return LIBVIRT_DIED;
	default:
		return LIBVIRT_OFF;
	}
}

static void tell_all(struct libvirt_watch *w, virConnectPtr connection)
{
	virDomainPtr *domains;
	int count = virConnectListAllDomains(connection, &domains, 0);

	for (int i = 0; i < count; i++) {
		int state, reason;
		const char *how;

		if (virDomainGetState(domains[i], &state, &reason, 0) == 0) {
			enum libvirt_sight_kind kind = kind_of(state, reason, &how);

			post(w, kind, domains[i], how);
		}
		virDomainFree(domains[i]);
	}
	if (count >= 0)
		free(domains);
	if (count >= 0)
		post(w, LIBVIRT_LISTED, NULL, "");
}

/* ---- the thread -------------------------------------------------------------------------- */

static bool is_over(struct libvirt_watch *w)
{
	pthread_mutex_lock(&w->lock);
	bool closing = w->closing;
	pthread_mutex_unlock(&w->lock);
	return closing;
}

static void wait_until_lost(struct libvirt_watch *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->lost && !w->closing)
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

static int listen_to(struct libvirt_watch *w, virConnectPtr connection, int *events,
		     struct fault *f)
{
	pthread_mutex_lock(&w->lock);
	w->lost = false;
	pthread_mutex_unlock(&w->lock);
	*events = virConnectDomainEventRegisterAny(connection, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
						   VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), ref(w),
						   unref);
	if (*events < 0)
		unref(w);
	if (*events < 0 ||
	    virConnectRegisterCloseCallback(connection, on_close, ref(w), unref) < 0) {
		if (*events >= 0)
			unref(w);
		return error_tell(f, virGetLastError());
	}
	virConnectSetKeepAlive(connection, KEEPALIVE_SECONDS, KEEPALIVES);
	return 0;
}

/* Until the connection is lost, or could not be made. */
static void watch_once(struct libvirt_watch *w, bool *told)
{
	char actual[CONNECTION_URI_BYTES];
	virConnectPtr connection;
	struct fault f;
	int events = -1;
	int r = connection_open(w->uri, &connection, actual, &f);

	if (!r)
		r = listen_to(w, connection, &events, &f);
	if (!r) {
		tell_all(w, connection);
		wait_until_lost(w);
		fault_set(&f, -EHOSTUNREACH, "the connection to %s was lost", actual);
		*told = false;
	}
	if (events >= 0)
		virConnectDomainEventDeregisterAny(connection, events);
	if (connection) {
		virConnectUnregisterCloseCallback(connection, on_close);
		virConnectClose(connection);
	}
	if (!*told)
		post(w, LIBVIRT_AWAY, NULL, f.text);
	*told = true;
}

static void *watch(void *argument)
{
	struct libvirt_watch *w = argument;
	bool told = false;

	while (!is_over(w)) {
		watch_once(w, &told);
		if (!is_over(w))
			sleep_us(AGAIN_MS * INT64_C(1000));
	}
	unref(w);
	return NULL;
}

int libvirt_watch_open(const char *uri, struct libvirt_watch **watch_made, struct fault *f)
{
	struct libvirt_watch *w = calloc(1, sizeof(*w));

	if (!w || (uri && !(w->uri = strdup(uri)))) {
		free(w);
		return fault_errno(f, -ENOMEM, "watch libvirt");
	}
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->end = &w->first;
	w->references = 2;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	int r = w->fd < 0 ? -errno : loop_start(f);
	if (!r)
		r = deadline_detach(watch, w);
	if (r < 0) {
		w->references = 1;
		unref(w);
		return fault_errno(f, r, "watch libvirt");
	}
	*watch_made = w;
	return 0;
}

void libvirt_watch_close(struct libvirt_watch *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->closing = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	unref(w);
}

int libvirt_watch_fd(const struct libvirt_watch *w)
{
	return w->fd;
}

struct libvirt_sight *libvirt_watch_next(struct libvirt_watch *w)
{
	uint64_t ignored;

	pthread_mutex_lock(&w->lock);
	struct libvirt_sight *s = w->first;
	if (s) {
		w->first = s->next;
		if (!w->first)
			w->end = &w->first;
	} else {
		(void)!read(w->fd, &ignored, sizeof(ignored));
	}
	pthread_mutex_unlock(&w->lock);
	return s;
}

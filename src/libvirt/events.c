/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt/events.h"

#include <libvirt/libvirt-qemu.h>

const char *events_how_stopped(int detail)
{
	static const char *const how[] = {
		[VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN] = "it was shut down",
		[VIR_DOMAIN_EVENT_STOPPED_DESTROYED] = "it was destroyed",
		[VIR_DOMAIN_EVENT_STOPPED_CRASHED] = "it crashed",
		[VIR_DOMAIN_EVENT_STOPPED_MIGRATED] = "it was migrated away",
		[VIR_DOMAIN_EVENT_STOPPED_SAVED] = "it was saved",
		[VIR_DOMAIN_EVENT_STOPPED_FAILED] = "its QEMU died",
		[VIR_DOMAIN_EVENT_STOPPED_FROM_SNAPSHOT] = "it was reverted to a snapshot",
	};

	if (detail < 0 || (size_t)detail >= sizeof(how) / sizeof(how[0]))
		return "libvirt does not say how";
	return how[detail];
}

static void on_monitor(virConnectPtr connection, virDomainPtr domain, const char *event,
		       long long seconds, unsigned micros, const char *details, void *inbox)
{
	(void)connection;
	(void)domain;
	inbox_post(inbox, event, details, seconds * INT64_C(1000000) + micros);
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail,
			void *inbox)
{
	(void)connection;
	(void)domain;
	if (event == VIR_DOMAIN_EVENT_STOPPED)
		inbox_end(inbox, events_how_stopped(detail));
	return 0;
}

static void on_close(virConnectPtr connection, int reason, void *inbox)
{
	(void)connection;
	(void)reason;
	inbox_wake(inbox);
}

static void let_go(void *inbox)
{
	inbox_unref(inbox);
}

/* libvirt lets go of the inbox itself where it has taken the callback, and only there. */
static int taken(struct inbox *inbox, int r)
{
	if (r < 0)
		inbox_unref(inbox);
	return r;
}

int events_start(struct link *link)
{
	struct inbox *inbox = link->inbox;

	link->monitor_events =
		taken(inbox_ref(inbox),
		      virConnectDomainQemuMonitorEventRegister(link->connection, link->domain, NULL,
							       on_monitor, inbox, let_go, 0));
	if (link->monitor_events < 0)
		return -1;
	link->lifecycle_events =
		taken(inbox_ref(inbox),
		      virConnectDomainEventRegisterAny(
			      link->connection, link->domain, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
			      VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), inbox, let_go));
	if (link->lifecycle_events < 0)
		return -1;
	link->hears_close =
		!taken(inbox_ref(inbox),
		       virConnectRegisterCloseCallback(link->connection, on_close, inbox, let_go));
	return link->hears_close ? 0 : -1;
}

void events_stop(struct link *link)
{
	if (link->hears_close)
		virConnectUnregisterCloseCallback(link->connection, on_close);
	if (link->lifecycle_events >= 0)
		virConnectDomainEventDeregisterAny(link->connection, link->lifecycle_events);
	if (link->monitor_events >= 0)
		virConnectDomainQemuMonitorEventDeregister(link->connection, link->monitor_events);
}

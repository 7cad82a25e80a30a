/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who asks: for people who read later what was done, and by whom. */
#include <stdio.h>
#include <sys/socket.h>

#include "api/server.h"
#include "api/tls.h"
#include "vmguard/utf8.h"

void who_is(struct MHD_Connection *mhd, char who[API_WHO_BYTES])
{
	const union MHD_ConnectionInfo *tls =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const union MHD_ConnectionInfo *socket =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	snprintf(who, API_WHO_BYTES, "somebody");
	if (tls)
		tls_peer(tls->tls_session, who, API_WHO_BYTES);
	else if (socket &&
		 getsockopt(socket->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0)
		snprintf(who, API_WHO_BYTES, "uid %u", (unsigned)peer.uid);
	utf8_clean(who);
}

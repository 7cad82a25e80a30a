/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates: ours, and those of clients. */
#pragma once

#include <gnutls/gnutls.h>

#include "vmguard/fault.h"
#include "vmguard/scope.h"

/* PEM; libmicrohttpd needs them until it has started. */
struct tls_files {
	char *certificate, *key, *client_ca;
};

/* -EINVAL: they are none, or do not belong together; names the file. */
int tls_read(const char *certificate, const char *key, const char *client_ca,
	     struct tls_files *files, struct fault *f);
void tls_close(struct tls_files *files);

/* Before the handshake: who has no certificate of the authority does not get through it. */
void tls_require_certificate(gnutls_session_t session);

/* The common name of the other side's certificate, or "". */
void tls_peer(gnutls_session_t session, char *name, size_t bytes);

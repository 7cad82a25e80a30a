/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEM_BYTES_MAX = 1 << 20 };

static int read_file(const char *path, const char *what, char **text, struct fault *f)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_free char *bytes = malloc(PEM_BYTES_MAX);

	if (fd < 0)
		return fault_errno(f, -errno, "read the %s %s", what, path);
	if (!bytes)
		return fault_errno(f, -ENOMEM, "read the %s %s", what, path);
	ssize_t count = read(fd, bytes, PEM_BYTES_MAX - 1);
	if (count < 0)
		return fault_errno(f, -errno, "read the %s %s", what, path);
	*text = strndup(bytes, count);
	explicit_bzero(bytes, count);
	return *text ? 0 : fault_errno(f, -ENOMEM, "read the %s %s", what, path);
}

static gnutls_datum_t datum(char *text)
{
	return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

/* libmicrohttpd would only say that it does not start. */
static int check(const struct tls_files *files, const char *certificate, const char *key,
		 const char *client_ca, struct fault *f)
{
	const gnutls_datum_t ours = datum(files->certificate), secret = datum(files->key),
			     theirs = datum(files->client_ca);
	gnutls_certificate_credentials_t credentials;

	if (gnutls_certificate_allocate_credentials(&credentials) < 0)
		return fault_errno(f, -ENOMEM, "read certificates");
	int r = gnutls_certificate_set_x509_key_mem(credentials, &ours, &secret,
						    GNUTLS_X509_FMT_PEM);
	int trusted =
		gnutls_certificate_set_x509_trust_mem(credentials, &theirs, GNUTLS_X509_FMT_PEM);
	gnutls_certificate_free_credentials(credentials);
	if (r < 0)
		return fault_set(f, -EINVAL, "the certificate %s with the key %s: %s", certificate,
				 key, gnutls_strerror(r));
	if (trusted <= 0)
		return fault_set(f, -EINVAL,
				 "%s has no certificate of an authority for clients%s%s", client_ca,
				 trusted ? ": " : "", trusted ? gnutls_strerror(trusted) : "");
	return 0;
}

int tls_read(const char *certificate, const char *key, const char *client_ca,
	     struct tls_files *files, struct fault *f)
{
	*files = (struct tls_files){0};
	if (read_file(certificate, "certificate", &files->certificate, f) < 0 ||
	    read_file(key, "key", &files->key, f) < 0 ||
	    read_file(client_ca, "authority of clients", &files->client_ca, f) < 0 ||
	    check(files, certificate, key, client_ca, f) < 0)
		tls_close(files);
	else
		f->code = 0;
	return f->code;
}

void tls_close(struct tls_files *files)
{
	if (files->key)
		explicit_bzero(files->key, strlen(files->key));
	free(files->certificate);
	free(files->key);
	free(files->client_ca);
	*files = (struct tls_files){0};
}

void tls_require_certificate(gnutls_session_t session)
{
	/* A server's certificate is no client's, where it says so. */
	static gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID,
						(unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT, 0};

	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_cert2(session, &purpose, 1, 0);
}

void tls_peer(gnutls_session_t session, char *name, size_t bytes)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t certificate;

	*name = 0;
	if (!chain || !count || gnutls_x509_crt_init(&certificate) < 0)
		return;
	if (gnutls_x509_crt_import(certificate, &chain[0], GNUTLS_X509_FMT_DER) < 0 ||
	    gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name,
					  &bytes) < 0)
		*name = 0;
	gnutls_x509_crt_deinit(certificate);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates for tests, made in a folder: NAME.pem and NAME-key.pem of
 *
 *	ca        ──signs──> server (localhost, 127.0.0.1), client, expired
 *	other-ca  ──signs──> stranger
 */
#pragma once

#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <time.h>

#include "unit.h"

struct certificate {
	gnutls_x509_crt_t public;
	gnutls_x509_privkey_t key;
};

static inline void certificate_write(const char *folder, const char *name, const char *what,
				     gnutls_datum_t *pem)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s%s.pem", folder, name, what);
	FILE *file = fopen(path, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(pem->data, 1, pem->size, file), pem->size);
	ck_assert_int_eq(fclose(file), 0);
	gnutls_free(pem->data);
}

static inline void certificate_names(gnutls_x509_crt_t c)
{
	static const unsigned char address[] = {127, 0, 0, 1};

	gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_DNSNAME, "localhost", 9,
					     GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_subject_alt_name(c, GNUTLS_SAN_IPADDRESS, address, sizeof(address),
					     GNUTLS_FSAN_APPEND);
}

/* signer NULL: it signs itself, and others. purpose: of the key, or NULL. */
static inline struct certificate certificate_make(const char *folder, const char *name,
						  const struct certificate *signer,
						  const char *purpose, int64_t seconds)
{
	unsigned char serial[8];
	struct certificate c;
	gnutls_datum_t pem;

	ck_assert_int_eq(gnutls_x509_privkey_init(&c.key), 0);
	ck_assert_int_eq(
		gnutls_x509_privkey_generate(c.key, GNUTLS_PK_ECDSA,
					     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
		0);
	ck_assert_int_eq(gnutls_x509_crt_init(&c.public), 0);
	gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] &= 0x7f;
	gnutls_x509_crt_set_version(c.public, 3);
	gnutls_x509_crt_set_serial(c.public, serial, sizeof(serial));
	gnutls_x509_crt_set_activation_time(c.public, time(NULL) - 7200);
	gnutls_x509_crt_set_expiration_time(c.public, time(NULL) + seconds);
	gnutls_x509_crt_set_dn_by_oid(c.public, GNUTLS_OID_X520_COMMON_NAME, 0, name, strlen(name));
	gnutls_x509_crt_set_key(c.public, c.key);
	gnutls_x509_crt_set_basic_constraints(c.public, !signer, -1);
	gnutls_x509_crt_set_key_usage(c.public, signer ? GNUTLS_KEY_DIGITAL_SIGNATURE
						       : GNUTLS_KEY_KEY_CERT_SIGN);
	if (purpose)
		gnutls_x509_crt_set_key_purpose_oid(c.public, purpose, 0);
	if (!strcmp(name, "server"))
		certificate_names(c.public);
	ck_assert_int_eq(gnutls_x509_crt_sign2(c.public, signer ? signer->public : c.public,
					       signer ? signer->key : c.key, GNUTLS_DIG_SHA256, 0),
			 0);
	ck_assert_int_eq(gnutls_x509_crt_export2(c.public, GNUTLS_X509_FMT_PEM, &pem), 0);
	certificate_write(folder, name, "", &pem);
	ck_assert_int_eq(gnutls_x509_privkey_export2(c.key, GNUTLS_X509_FMT_PEM, &pem), 0);
	certificate_write(folder, name, "-key", &pem);
	return c;
}

static inline void certificate_free(struct certificate c)
{
	gnutls_x509_crt_deinit(c.public);
	gnutls_x509_privkey_deinit(c.key);
}

static inline void certificates_make(const char *folder)
{
	struct certificate ca = certificate_make(folder, "ca", NULL, NULL, 3600);
	struct certificate other = certificate_make(folder, "other-ca", NULL, NULL, 3600);

	certificate_free(certificate_make(folder, "server", &ca, GNUTLS_KP_TLS_WWW_SERVER, 3600));
	certificate_free(certificate_make(folder, "client", &ca, GNUTLS_KP_TLS_WWW_CLIENT, 3600));
	certificate_free(certificate_make(folder, "expired", &ca, GNUTLS_KP_TLS_WWW_CLIENT, -60));
	certificate_free(
		certificate_make(folder, "stranger", &other, GNUTLS_KP_TLS_WWW_CLIENT, 3600));
	certificate_free(ca);
	certificate_free(other);
}

static inline void certificates_remove(const char *folder)
{
	static const char *const names[] = {"ca",     "other-ca", "server",
					    "client", "expired",  "stranger"};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (int key = 0; key <= 1; key++) {
			snprintf(path, sizeof(path), "%s/%s%s.pem", folder, names[i],
				 key ? "-key" : "");
			ck_assert_int_eq(remove(path), 0);
		}
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sign.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { SECRET_MAX = 4096, MAC_BYTES = 32 };

struct secret {
	size_t bytes;
	char text[SECRET_MAX + 2]; /* room to see that there is more */
};

void secret_wipe(struct secret *s)
{
	if (!s)
		return;
	explicit_bzero(s, sizeof(*s));
	free(s);
}

static int check_file(int fd, const char *path, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_errno(f, -errno, "look at secret file %s", path);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return fault_set(f, -EINVAL,
				 "everyone on this host may %s secret file %s: chmod 640 %s",
				 st.st_mode & S_IROTH ? "read" : "write", path, path);
	return 0;
}

int secret_read(const char *path, struct secret **out, struct fault *f)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_of(secret_wipe) struct secret *s = calloc(1, sizeof(*s));
	int r = fd < 0 ? fault_errno(f, -errno, "open secret file %s", path)
		       : check_file(fd, path, f);

	*out = NULL;
	if (r < 0)
		return r;
	if (!s)
		return fault_errno(f, -ENOMEM, "read secret file %s", path);
	ssize_t bytes = read(fd, s->text, sizeof(s->text));
	if (bytes < 0)
		return fault_errno(f, -errno, "read secret file %s", path);
	s->bytes = bytes;
	if (bytes && s->text[bytes - 1] == '\n')
		s->bytes--;
	if (!s->bytes || s->bytes > SECRET_MAX)
		return fault_set(f, -EINVAL, "secret file %s has to hold 1 to %d bytes", path,
				 SECRET_MAX);
	*out = give(s);
	return 0;
}

int secret_sign(const struct secret *s, int64_t time_s, const char *body,
		char signature[SIGNATURE_BYTES], struct fault *f)
{
	gnutls_hmac_hd_t mac;
	unsigned char digest[MAC_BYTES];
	char time[24];

	snprintf(time, sizeof(time), "%" PRId64 ".", time_s);
	int r = gnutls_hmac_init(&mac, GNUTLS_MAC_SHA256, s->text, s->bytes);
	if (r < 0)
		return fault_set(f, -EIO, "sign: %s", gnutls_strerror(r));
	r = gnutls_hmac(mac, time, strlen(time));
	if (!r)
		r = gnutls_hmac(mac, body, strlen(body));
	gnutls_hmac_deinit(mac, digest);
	if (r < 0)
		return fault_set(f, -EIO, "sign: %s", gnutls_strerror(r));
	int end = snprintf(signature, SIGNATURE_BYTES, "t=%" PRId64 ",v1=", time_s);
	for (int i = 0; i < MAC_BYTES; i++)
		snprintf(signature + end + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

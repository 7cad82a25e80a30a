/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Encrypted images: LUKS2 by librbd, AES-256 in XTS mode, blocks of 4096 bytes.
 *
 *	object   0 … 3          4              5
 *	         LUKS header    segment 0      segment 1 …
 *
 * librbd takes the header off what we see, except from the size in rbd_resize() (16.2). LUKS2
 * stretches every key (Argon2id): opening takes seconds, and up to 1 GiB of memory meanwhile.
 * This file must never print a key, nor leave one where a core dump or swap keeps it.
 */
#include "rbd.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "key.h"
#include "rbd_fault.h"

enum {
	/* librbd 16.2 wants more than its header of 16 MiB. */
	FORMAT_SEGMENTS = 8,
	/* Stretching the key is work for a CPU, not for the cluster: with many on it, it lasts. */
	STRETCH_LIMIT_MS = 120000,
};

/* Guards the key of every cluster. */
static pthread_mutex_t key_mutex = PTHREAD_MUTEX_INITIALIZER;

int rbd_key_use(struct rbd_cluster *cluster, const struct store *s, struct fault *f)
{
	if (!s->key)
		return 0;
	pthread_mutex_lock(&key_mutex);
	if (!cluster->key) {
		cluster->key = store_key_copy(s->key, f);
		cluster->encrypt_new = s->encrypt_new;
	}
	int r = cluster->key ? 0 : f->code;
	pthread_mutex_unlock(&key_mutex);
	return r;
}

int rbd_key_check(struct rbd_call *c, enum rbd_mark mark)
{
	const struct rbd_cluster *cluster = c->cluster;
	const char *pool = cluster->location.pool;

	if (mark == RBD_ENCRYPTED && !cluster->key)
		return fault_set(&c->fault, -EKEYREJECTED,
				 "RBD image %s/%s is encrypted: give --key-file", pool, c->image);
	if (mark == RBD_PLAIN && cluster->key)
		return fault_set(
			&c->fault, -EKEYREJECTED,
			"RBD image %s/%s is not encrypted: leave --key-file out, or delete "
			"it and take a new one with --encrypt",
			pool, c->image);
	if (mark < RBD_PLAIN && cluster->key && !cluster->encrypt_new)
		return fault_set(&c->fault, -ENOENT,
				 "there is no RBD image %s/%s: add --encrypt to make it", pool,
				 c->image);
	return 0;
}

static int fault_of(struct rbd_call *c, int code, const char *what)
{
	return rbd_fault(&c->fault, code, &c->cluster->location, "%s %s/%s", what,
			 c->cluster->location.pool, c->image);
}

/* How much of the image the header takes, which the size tells once the key is loaded. */
static int measure_header(struct rbd_call *c, uint64_t raw_bytes)
{
	struct rbd_handle *h = c->opened;
	uint64_t bytes = 0;

	if (rbd_get_size(h->image, &bytes) < 0 || bytes > raw_bytes)
		return fault_of(c, -EIO, "get the size of encrypted RBD image");
	if ((raw_bytes - bytes) % STORE_SEGMENT_BYTES)
		return fault_set(&c->fault, -ENOTSUP,
				 "RBD image %s/%s: its LUKS header of %llu bytes is not made of "
				 "whole objects: it was not made by vmguard",
				 c->cluster->location.pool, c->image,
				 (unsigned long long)(raw_bytes - bytes));
	h->header_segments = (raw_bytes - bytes) / STORE_SEGMENT_BYTES;
	h->encrypted = true;
	return 0;
}

int rbd_crypto_load(struct rbd_call *c)
{
	const struct store_key *key = c->cluster->key;
	rbd_encryption_luks2_format_options_t options = {
		.alg = RBD_ENCRYPTION_ALGORITHM_AES256,
		.passphrase = key->text,
		.passphrase_size = key->bytes,
	};
	uint64_t raw_bytes = 0;

	if (rbd_get_size(c->opened->image, &raw_bytes) < 0)
		return fault_of(c, -EIO, "get the size of encrypted RBD image");
	rbd_call_extend(c, STRETCH_LIMIT_MS);
	int r = rbd_encryption_load(c->opened->image, RBD_ENCRYPTION_FORMAT_LUKS2, &options,
				    sizeof(options));
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	if (r == -EPERM)
		return fault_set(&c->fault, -EKEYREJECTED,
				 "the key in --key-file is not the one of RBD image %s/%s",
				 c->cluster->location.pool, c->image);
	if (r == -EINVAL)
		return fault_set(&c->fault, -EIO,
				 "RBD image %s/%s is marked as encrypted, but its LUKS2 header is "
				 "damaged",
				 c->cluster->location.pool, c->image);
	return r < 0 ? fault_of(c, r, "decrypt RBD image") : measure_header(c, raw_bytes);
}

/* c->opened: locked, and marked RBD_MAKING. */
int rbd_crypto_format(struct rbd_call *c)
{
	const uint64_t raw_bytes = (uint64_t)FORMAT_SEGMENTS * STORE_SEGMENT_BYTES;
	const struct store_key *key = c->cluster->key;
	rbd_encryption_luks2_format_options_t options = {
		.alg = RBD_ENCRYPTION_ALGORITHM_AES256,
		.passphrase = key->text,
		.passphrase_size = key->bytes,
	};
	int r = rbd_resize(c->opened->image, raw_bytes);

	if (r < 0)
		return fault_of(c, r, "grow RBD image");
	rbd_call_extend(c, STRETCH_LIMIT_MS);
	r = rbd_encryption_format(c->opened->image, RBD_ENCRYPTION_FORMAT_LUKS2, &options,
				  sizeof(options));
	rbd_call_extend(c, rbd_limit_ms(c->timeout_seconds));
	return r < 0 ? fault_of(c, r, "encrypt RBD image") : measure_header(c, raw_bytes);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key is read straight from its file into a mapping of its own, never through a buffer of
 * stdio or the heap. The mapping is not swapped, not dumped, and not copied into a child.
 */
#include "key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

/* One byte more than a key may have, to see that there is more. */
enum { MAPPING_BYTES = sizeof(struct store_key) + STORE_KEY_BYTES_MAX + 1 };

void store_key_wipe(struct store_key *key)
{
	if (!key)
		return;
	explicit_bzero(key, MAPPING_BYTES);
	munmap(key, MAPPING_BYTES);
}
SCOPE_CLOSER(store_key_wipe, struct store_key)

static struct store_key *key_new(struct fault *f)
{
	struct store_key *key = mmap(NULL, MAPPING_BYTES, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (key == MAP_FAILED) {
		fault_errno(f, -errno, "get memory for the key");
		return NULL;
	}
	int r = mlock(key, MAPPING_BYTES) < 0 ? -errno : 0;
	if (r < 0)
		fault_errno(f, r,
			    "lock the key in memory (the limit is \"ulimit -l\", it needs 12 KiB)");
	/* fork() for a QEMU: the child gets no copy, not even until its exec(). */
	if (!r && (madvise(key, MAPPING_BYTES, MADV_DONTDUMP) < 0 ||
		   madvise(key, MAPPING_BYTES, MADV_DONTFORK) < 0))
		r = fault_errno(f, -errno, "keep the key out of core dumps");
	if (r < 0)
		store_key_wipe(give(key));
	return key;
}

static int check_file(int fd, const char *path, struct fault *f)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fault_errno(f, -errno, "look at key file %s", path);
	if (st.st_mode & (S_IROTH | S_IWOTH))
		return fault_set(f, -EINVAL,
				 "everyone on this host may %s key file %s: chmod 600 %s",
				 st.st_mode & S_IROTH ? "read" : "write", path, path);
	return 0;
}

static int read_key(int fd, struct store_key *key)
{
	while (key->bytes <= STORE_KEY_BYTES_MAX) {
		ssize_t n = read(fd, key->text + key->bytes, STORE_KEY_BYTES_MAX + 1 - key->bytes);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		key->bytes += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int store_key_read(const char *path, struct store_key **out, struct fault *f)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? fault_errno(f, -errno, "open key file %s", path) : check_file(fd, path, f);

	*out = NULL;
	if (r < 0)
		return r;
	auto_of(store_key_wipe) struct store_key *key = key_new(f);
	if (!key)
		return f->code;
	r = read_key(fd, key);
	if (r < 0)
		return fault_errno(f, r, "read key file %s", path);
	if (!key->bytes)
		return fault_set(f, -EINVAL, "key file %s is empty", path);
	if (key->bytes > STORE_KEY_BYTES_MAX)
		return fault_set(f, -EINVAL, "key file %s is longer than a key may be, %d bytes",
				 path, STORE_KEY_BYTES_MAX);
	*out = give(key);
	return 0;
}

struct store_key *store_key_copy(const struct store_key *key, struct fault *f)
{
	struct store_key *copy = key_new(f);

	if (copy)
		memcpy(copy, key, sizeof(*key) + key->bytes);
	return copy;
}

int store_use_key(struct store *s, const char *key_file, bool encrypt_new, struct fault *f)
{
	struct store_key *key;

	if (!s->ops->encrypts)
		return fault_set(f, -EOPNOTSUPP,
				 "store %s does not encrypt: put its directory on an encrypted "
				 "volume (dm-crypt: cryptsetup luksFormat, cryptsetup open) and "
				 "leave the key file out, or use an rbd: store",
				 s->uri);
	int r = store_key_read(key_file, &key, f);
	if (r < 0)
		return r;
	/* What librbd derives from the key lies in the heap: no core dump of this process at all.
	 */
	if (prctl(PR_SET_DUMPABLE, 0) < 0) {
		r = -errno;
		store_key_wipe(key);
		return fault_errno(f, r, "forbid core dumps of this process");
	}
	store_key_wipe(s->key);
	s->key = key;
	s->encrypt_new = encrypt_new;
	return 0;
}

int store_open_with_key(const char *uri, const char *key_file, bool encrypt_new, struct store **s,
			struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	int r = store_open(uri, &store, f);

	if (!r && key_file)
		r = store_use_key(store, key_file, encrypt_new, f);
	if (!r)
		*s = give(store);
	return r;
}

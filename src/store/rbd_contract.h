/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only the RBD backend promises, beside contract.h: encryption, and names of objects. */
#pragma once

#include <rbd/librbd.h>

#include "contract.h"

enum { ODD_BYTES = 5000, ENCRYPTED_HEADER_SEGMENTS = 4 };

/* The store's key is read from a file by store_use_key(); the backend only looks at it here. */
static void use_key(struct store *s, const char *text, bool encrypt_new)
{
	size_t bytes = strlen(text);

	s->key = malloc(sizeof(*s->key) + bytes);
	if (!s->key)
		abort();
	s->key->bytes = bytes;
	memcpy(s->key->text, text, bytes);
	s->encrypt_new = encrypt_new;
}

static void keyed_close(struct store *s)
{
	if (!s)
		return;
	free(give(s->key));
	store_close(s);
}
SCOPE_CLOSER(keyed_close, struct store)

static struct store *keyed_store(const char *key, bool encrypt_new)
{
	struct store *s = contract_store();

	if (key)
		use_key(s, key, encrypt_new);
	return s;
}

/* Opens with a key, or none; the fault tells why not. */
static int try_open(const char *key, enum store_mode mode, const struct checkpoint_id *at)
{
	auto_of(keyed_close) struct store *s = keyed_store(key, false);
	struct store_image *image = NULL;
	int r = store_image_open(s, "secret", mode, at, &image, &fault);

	store_image_close(image);
	return r;
}

static void check_refused(const char *key, enum store_mode mode, const char *why)
{
	const struct checkpoint_id id = {1, 1};

	ck_assert_int_eq(try_open(key, mode, mode == STORE_READ ? &id : NULL), -EKEYREJECTED);
	ck_assert_msg(strstr(fault.text, why), "%s", fault.text);
	if (key)
		ck_assert_ptr_null(strstr(fault.text, key));
}

START_TEST(opens_an_encrypted_image_with_its_key_alone)
{
	struct store *s = keyed_store("the right key", true);
	struct store_image *writer = new_writer(s, "secret");

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	ck_assert_int_eq(put(writer, 127, 'z'), 0);
	commit(writer, 1, 1);
	store_image_close(writer);
	keyed_close(s);
	check_refused(NULL, STORE_READ, "is encrypted: give --key-file");
	check_refused(NULL, STORE_WRITE, "is encrypted: give --key-file");
	check_refused("a wrong key", STORE_READ, "is not the one");
	check_refused("a wrong key", STORE_WRITE, "is not the one");
	s = keyed_store("the right key", false);
	writer = open_writer_of(s, "secret");
	ck_assert_uint_eq(count_checkpoints(writer), 1);
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	ck_assert_int_eq(put(writer, 0, 'x'), 0);
	struct store_image *reader = open_reader_of(s, "secret", (struct checkpoint_id){1, 1});
	ck_assert_int_eq(holds(reader, 0, 'a'), 1);
	ck_assert_int_eq(holds(reader, 127, 'z'), 1);
	store_image_close(reader);
	store_image_close(writer);
	/* Whoever has lost the key can still delete it. */
	keyed_close(s);
	s = contract_store();
	ck_assert_msg(store_image_remove(s, "secret", &fault) == 0, "%s", fault.text);
	store_close(s);
}
END_TEST

START_TEST(refuses_a_key_for_a_plain_image)
{
	struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "secret");

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	commit(writer, 1, 1);
	store_image_close(writer);
	store_close(s);
	check_refused("a key", STORE_READ, "is not encrypted");
	check_refused("a key", STORE_WRITE, "is not encrypted");
	ck_assert_int_eq(try_open(NULL, STORE_WRITE, NULL), 0);
	s = contract_store();
	ck_assert_int_eq(store_image_remove(s, "secret", &fault), 0);
	store_close(s);
}
END_TEST

START_TEST(makes_no_image_with_a_key_unless_told_to_encrypt)
{
	auto_of(keyed_close) struct store *s = keyed_store("a key", false);
	struct store_image *image;
	int r = store_image_remove(s, "secret", &fault);

	ck_assert(r == 0 || r == -ENOENT);
	ck_assert_int_eq(store_image_open(s, "secret", STORE_WRITE, NULL, &image, &fault), -ENOENT);
	ck_assert_msg(strstr(fault.text, "--encrypt"), "%s", fault.text);
	ck_assert_int_eq(store_image_remove(s, "secret", &fault), -ENOENT);
}
END_TEST

/* Any length, any place: blocks of the encryption do not show. */
static void write_odd(struct store_image *image, uint64_t segment, size_t bytes)
{
	struct waited_write *waited = calloc(1, sizeof(*waited));

	pthread_mutex_init(&waited->mutex, NULL);
	pthread_cond_init(&waited->over, NULL);
	for (size_t i = 0; i < sizeof(waited->data); i++)
		waited->data[i] = (uint8_t)(i * 7 + bytes);
	waited->write = (struct store_write){
		.segment = segment,
		.data = waited->data,
		.bytes = bytes,
		.done = waited_done,
	};
	store_write(image, &waited->write);
	ck_assert_int_eq(end_write(waited), 0);
}

static void check_odd(struct store_image *image, uint64_t segment, size_t bytes)
{
	static uint8_t data[CONTRACT_BYTES];

	for (size_t from = 0; from < bytes; from += 1 + bytes / 3) {
		ck_assert_msg(store_read(image, segment, from, data, bytes - from, &fault) == 0,
			      "%s", fault.text);
		for (size_t i = from; i < bytes; i++)
			ck_assert_uint_eq(data[i - from], (uint8_t)(i * 7 + bytes));
	}
}

START_TEST(encrypts_writes_of_any_length)
{
	static const size_t lengths[] = {1, 4095, 4096, 4097, ODD_BYTES, CONTRACT_BYTES};
	auto_of(keyed_close) struct store *s = keyed_store("the right key", true);
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "secret");
	size_t count = sizeof(lengths) / sizeof(lengths[0]);

	for (size_t i = 0; i < count; i++)
		write_odd(writer, i, lengths[i]);
	commit(writer, 1, 1);
	for (size_t i = 0; i < count; i++)
		check_odd(writer, i, lengths[i]);
	/* Over what was there, and beside what is discarded. */
	ck_assert_int_eq(store_discard(writer, 1, 2, &fault), 0);
	ck_assert_int_eq(put(writer, 1, 'n'), 0);
	write_odd(writer, count - 1, ODD_BYTES);
	ck_assert_int_eq(holds(writer, 1, 'n'), 1);
	check_odd(writer, 3, lengths[3]);
	check_odd(writer, count - 1, ODD_BYTES);
	struct store_image *reader = open_reader_of(s, "secret", (struct checkpoint_id){1, 1});
	for (size_t i = 0; i < count; i++)
		check_odd(reader, i, lengths[i]);
	store_image_close(reader);
}
END_TEST

START_TEST(grows_an_encrypted_image_to_its_last_segment)
{
	enum { MANY = 1000 };
	auto_of(keyed_close) struct store *s = keyed_store("the right key", true);
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "secret");

	ck_assert_int_eq(put(writer, 0, 'a'), 0);
	for (uint64_t segments = 256; segments <= MANY; segments += 248) {
		ck_assert_msg(store_reserve(writer, segments, &fault) == 0, "%s", fault.text);
		ck_assert_int_eq(put(writer, segments - 1, 'b'), 0);
	}
	commit(writer, 1, 1);
	ck_assert_int_eq(holds(writer, 0, 'a'), 1);
	ck_assert_int_eq(holds(writer, MANY - 1, 'b'), 1);
	ck_assert_int_eq(store_discard(writer, 0, UINT64_MAX, &fault), 0);
	ck_assert_int_ne(holds(writer, MANY - 1, 'b'), 1);
	commit(writer, 1, 2);
}
END_TEST

/* The pool of the store, by a connection of our own. */
struct pool {
	rados_t rados;
	rados_ioctx_t io;
};

static void pool_open(struct pool *pool)
{
	ck_assert_int_eq(rados_create(&pool->rados, NULL), 0);
	ck_assert_int_eq(rados_conf_read_file(pool->rados, getenv("CEPH_CONF")), 0);
	ck_assert_int_eq(rados_connect(pool->rados), 0);
	ck_assert_int_eq(rados_ioctx_create(pool->rados, "rbd", &pool->io), 0);
}

static void pool_close(struct pool *pool)
{
	rados_ioctx_destroy(pool->io);
	rados_shutdown(pool->rados);
}

/* Whether `text` stands anywhere in the first bytes of a segment's object. */
static bool object_has(const char *object, uint8_t fill)
{
	static char data[CONTRACT_BYTES];
	struct pool pool;
	size_t found = 0;

	pool_open(&pool);
	int n = rados_read(pool.io, strchr(object, '/') + 1, data, sizeof(data), 0);
	pool_close(&pool);
	ck_assert_msg(n == (int)sizeof(data), "%s: %d", object, n);
	for (size_t i = 0; i < sizeof(data) && found < 8; i++)
		found = (uint8_t)data[i] == fill ? found + 1 : 0;
	return found == 8;
}

START_TEST(keeps_a_segment_in_the_object_it_names)
{
	char name[STORE_OBJECT_BYTES];
	struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");

	ck_assert_int_eq(put(writer, 5, 'p'), 0);
	store_object_name(writer, 5, name);
	store_image_close(writer);
	ck_assert_msg(strncmp(name, "rbd/rbd_data.", 13) == 0, "%s", name);
	ck_assert(object_has(name, 'p'));
	store_close(s);
	/* And there nothing can be read where it is encrypted. */
	s = keyed_store("the right key", true);
	writer = new_writer(s, "secret");
	ck_assert_int_eq(put(writer, 5, 'p'), 0);
	store_object_name(writer, 5, name);
	store_image_close(writer);
	ck_assert(!object_has(name, 'p'));
	ck_assert_uint_eq(strtoull(strrchr(name, '.') + 1, NULL, 16),
			  5 + ENCRYPTED_HEADER_SEGMENTS);
	keyed_close(s);
}
END_TEST

/* As someone leaves it who dies while he makes it. */
static void leave_unfinished(uint64_t bytes)
{
	rbd_image_options_t options;
	rbd_image_t image;
	struct pool pool;

	pool_open(&pool);
	rbd_image_options_create(&options);
	rbd_image_options_set_uint64(options, RBD_IMAGE_OPTION_ORDER, 22);
	ck_assert_int_eq(rbd_create4(pool.io, "secret", bytes, options), 0);
	rbd_image_options_destroy(options);
	ck_assert_int_eq(rbd_open(pool.io, "secret", &image, NULL), 0);
	ck_assert_int_eq(rbd_metadata_set(image, "vmguard", "making"), 0);
	ck_assert_int_eq(rbd_write(image, 0, 4, "LUKS"), 4);
	rbd_close(image);
	pool_close(&pool);
}

START_TEST(takes_over_an_image_whose_maker_died)
{
	struct store *s = keyed_store("the right key", true);
	struct store_image *image;
	int r = store_image_remove(s, "secret", &fault);

	ck_assert(r == 0 || r == -ENOENT);
	leave_unfinished(32 << 20);
	ck_assert_int_eq(store_image_open(s, "secret", STORE_READ, NULL, &image, &fault), -ENOENT);
	image = open_writer_of(s, "secret");
	ck_assert_int_eq(put(image, 0, 'a'), 0);
	ck_assert_int_eq(holds(image, 0, 'a'), 1);
	store_image_close(image);
	check_refused(NULL, STORE_WRITE, "is encrypted: give --key-file");
	ck_assert_int_eq(store_image_remove(s, "secret", &fault), 0);
	leave_unfinished(32 << 20);
	keyed_close(s);
	s = contract_store();
	store_image_close(open_writer_of(s, "secret"));
	check_refused("the right key", STORE_WRITE, "is not encrypted");
	ck_assert_int_eq(store_image_remove(s, "secret", &fault), 0);
	leave_unfinished(32 << 20);
	ck_assert_msg(store_image_remove(s, "secret", &fault) == 0, "%s", fault.text);
	store_close(s);
}
END_TEST

START_TEST(leaves_the_images_of_others_alone)
{
	struct store *s = contract_store();
	struct store_image *image;
	struct pool pool;
	uint64_t size = 0;
	rbd_image_t theirs;
	int order = 22;

	pool_open(&pool);
	ck_assert_int_eq(rbd_create(pool.io, "theirs", 8 << 20, &order), 0);
	ck_assert_int_eq(store_image_open(s, "theirs", STORE_WRITE, NULL, &image, &fault), -EEXIST);
	ck_assert_int_eq(store_image_open(s, "theirs", STORE_READ, NULL, &image, &fault), -ENOENT);
	ck_assert_int_eq(store_image_remove(s, "theirs", &fault), -ENOENT);
	ck_assert_int_eq(store_protect(s, "theirs", (struct checkpoint_id){1, 1}, true, &fault),
			 -ENOENT);
	ck_assert_int_eq(rbd_open_read_only(pool.io, "theirs", &theirs, NULL), 0);
	ck_assert_int_eq(rbd_get_size(theirs, &size), 0);
	ck_assert_uint_eq(size, 8 << 20);
	rbd_close(theirs);
	ck_assert_int_eq(rbd_remove(pool.io, "theirs"), 0);
	pool_close(&pool);
	store_close(s);
}
END_TEST

START_TEST(protects_a_commit_beside_a_writer)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_close) struct store *other = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	const struct checkpoint_id id = {1, 1}, next = {1, 2};

	commit(writer, 1, 1);
	commit(writer, 1, 2);
	ck_assert_msg(store_protect(other, "guest", id, true, &fault) == 0, "%s", fault.text);
	ck_assert_msg(store_protect(other, "guest", id, true, &fault) == 0, "%s", fault.text);
	ck_assert_int_eq(store_is_protected(writer, id, &fault), 1);
	ck_assert_int_eq(store_is_protected(writer, next, &fault), 0);
	ck_assert_int_eq(store_remove(writer, id, &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, "--unprotect guest@1"), "%s", fault.text);
	struct store_image *reader = open_reader_of(other, "guest", next);
	ck_assert_int_eq(store_is_protected(reader, id, &fault), 1);
	ck_assert_int_eq(store_is_protected(reader, (struct checkpoint_id){7, 7}, &fault), -ENOENT);
	ck_assert_int_eq(store_protect(other, "guest", (struct checkpoint_id){7, 7}, true, &fault),
			 -ENOENT);
	commit(writer, 1, 3);
	store_image_close(writer);
	ck_assert_int_eq(store_image_remove(s, "guest", &fault), -EBUSY);
	ck_assert_msg(strstr(fault.text, "--unprotect guest@1"), "%s", fault.text);
	ck_assert_uint_eq(count_checkpoints(reader), 3);
	ck_assert_int_eq(store_protect(s, "guest", id, false, &fault), 0);
	ck_assert_int_eq(store_protect(s, "guest", id, false, &fault), 0);
	ck_assert_int_eq(store_is_protected(reader, id, &fault), 0);
	store_image_close(reader);
	ck_assert_msg(store_image_remove(s, "guest", &fault) == 0, "%s", fault.text);
}
END_TEST

START_TEST(says_which_process_writes)
{
	auto_of(store_close) struct store *s = contract_store();
	auto_of(store_close) struct store *other = contract_store();
	auto_of(store_image_close) struct store_image *writer = new_writer(s, "guest");
	struct store_image *second;
	char who[64];

	commit(writer, 1, 1);
	/* A visitor takes only his own record with him. */
	ck_assert_int_eq(store_protect(s, "guest", (struct checkpoint_id){1, 1}, true, &fault), 0);
	ck_assert_int_eq(store_protect(other, "guest", (struct checkpoint_id){1, 1}, false, &fault),
			 0);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(store_image_open(i ? s : other, "guest", STORE_WRITE, NULL,
						  &second, &fault),
				 -EBUSY);
		snprintf(who, sizeof(who), "is being written by process %d on host ",
			 (int)getpid());
		ck_assert_msg(strstr(fault.text, who), "%s", fault.text);
		ck_assert_msg(strstr(fault.text, " since 20"), "%s", fault.text);
	}
}
END_TEST

/* What is known of holds in the header object's attributes. */
static size_t count_hold_attributes(const struct pool *pool, const char *guest)
{
	rbd_image_t image;
	char id[64], header[96];
	rados_xattrs_iter_t attributes;
	const char *name, *value;
	size_t bytes, count = 0;

	ck_assert_int_eq(rbd_open_read_only(pool->io, guest, &image, NULL), 0);
	ck_assert_int_eq(rbd_get_id(image, id, sizeof(id)), 0);
	rbd_close(image);
	snprintf(header, sizeof(header), "rbd_header.%s", id);
	ck_assert_int_eq(rados_getxattrs(pool->io, header, &attributes), 0);
	while (rados_getxattrs_next(attributes, &name, &value, &bytes) == 0 && name)
		count += strstr(name, "vmguard.hold.") != NULL;
	rados_getxattrs_end(attributes);
	return count;
}

START_TEST(leaves_nothing_of_a_hold_behind)
{
	auto_of(store_close) struct store *s = contract_store();
	struct store_image *writer = new_writer(s, "guest");
	const struct checkpoint_id id = {1, 1};
	struct holder self = holder_self();
	struct pool pool;

	pool_open(&pool);
	commit(writer, 1, 1);
	commit(writer, 1, 2);
	hold(writer, id, &self, true);
	ck_assert_uint_eq(count_hold_attributes(&pool, "guest"), 1);
	hold(writer, id, &self, false);
	ck_assert_int_eq(store_remove(writer, id, &fault), 0);
	ck_assert_int_eq(store_remove(writer, id, &fault), -ENOENT);
	ck_assert_uint_eq(count_hold_attributes(&pool, "guest"), 0);
	store_image_close(writer);
	pool_close(&pool);
}
END_TEST

#define RBD_CASES                                                                                \
	opens_an_encrypted_image_with_its_key_alone, refuses_a_key_for_a_plain_image,            \
		makes_no_image_with_a_key_unless_told_to_encrypt, encrypts_writes_of_any_length, \
		grows_an_encrypted_image_to_its_last_segment,                                    \
		keeps_a_segment_in_the_object_it_names, takes_over_an_image_whose_maker_died,    \
		leaves_the_images_of_others_alone, protects_a_commit_beside_a_writer,            \
		says_which_process_writes, leaves_nothing_of_a_hold_behind

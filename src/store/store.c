/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the backends share: URIs, guest names, checkpoint names. No I/O of its own. */
#include "vmguard/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "key.h"

static const struct store_ops *const backends[] = {&store_dir_ops, &store_rbd_ops};

static const struct store_ops *backend_of(const char *uri)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
		size_t length = strlen(backends[i]->name);

		if (!strncmp(uri, backends[i]->name, length) && uri[length] == ':')
			return backends[i];
	}
	return NULL;
}

int store_open(const char *uri, struct store **s, struct fault *f)
{
	const struct store_ops *ops = backend_of(uri);

	*s = NULL;
	if (!ops)
		return fault_set(f, -EINVAL,
				 "%s is no store: give dir:PATH or "
				 "rbd:POOL[/IMAGE-PREFIX][?conf=FILE&id=USER&timeout=SECONDS]",
				 uri);
	if (strlen(uri) >= sizeof((*s)->uri))
		return fault_set(f, -EINVAL, "a store's URI has at most %zu characters",
				 sizeof((*s)->uri) - 1);
	int r = ops->open(uri + strlen(ops->name) + 1, s, f);
	if (r < 0)
		return fault_wrap(f, "open store %s", uri);
	(*s)->ops = ops;
	snprintf((*s)->uri, sizeof((*s)->uri), "%s", uri);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	struct store_key *key = s->key;

	s->ops->close(s); /* may use it to the end */
	store_key_wipe(key);
}

int store_write_fault(const struct store_image *image, uint64_t segment, int code, struct fault *f)
{
	const char *advice = "";

	if (code == -ENOSPC || code == -EDQUOT)
		advice = "; make room with vmguard delete, or enlarge the store";
	else if (code == -ETIMEDOUT)
		advice = "; see whether the store is up and not overloaded";
	return fault_set(f, code, "write segment %" PRIu64 " of %s: %s%s", segment, image->guest,
			 strerror(-code), advice);
}

void store_image_close(struct store_image *image)
{
	if (image)
		image->ops->image_close(image);
}

/* isalnum() would ask the locale, and a name must mean the same on every host. */
static bool is_name_character(char c, bool first)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
		return true;
	return !first && c && strchr("._-", c);
}

int store_check_name(const char *guest, struct fault *f)
{
	size_t length = strlen(guest);

	if (!length || length >= STORE_NAME_BYTES)
		return fault_set(f, -EINVAL, "a guest's name has 1 to %d characters, not %zu",
				 STORE_NAME_BYTES - 1, length);
	for (size_t i = 0; i < length; i++)
		if (!is_name_character(guest[i], i == 0))
			return fault_set(f, -EINVAL,
					 "guest name %s: letters, digits and then also . _ - "
					 "are allowed",
					 guest);
	return 0;
}

void checkpoint_name(struct checkpoint_id id, char name[CHECKPOINT_NAME_BYTES])
{
	snprintf(name, CHECKPOINT_NAME_BYTES, "ckpt-%" PRIu64 "-%" PRIu64, id.epoch, id.number);
}

bool checkpoint_parse(const char *name, struct checkpoint_id *id)
{
	char again[CHECKPOINT_NAME_BYTES];

	if (sscanf(name, "ckpt-%" SCNu64 "-%" SCNu64, &id->epoch, &id->number) != 2)
		return false;
	/* scanf is generous (+1, 01, too large, trailing bytes); only our own spelling counts. */
	checkpoint_name(*id, again);
	return !strcmp(name, again);
}

int checkpoint_compare(const void *a, const void *b)
{
	const struct checkpoint_id *left = a, *right = b;

	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	if (left->epoch != right->epoch)
		return left->epoch < right->epoch ? -1 : 1;
	return 0;
}

int checkpoint_check_next(struct checkpoint_id id, const struct checkpoint_id *ids, size_t count,
			  struct fault *f)
{
	char name[CHECKPOINT_NAME_BYTES], newest[CHECKPOINT_NAME_BYTES];

	if (!count)
		return 0;
	checkpoint_name(id, name);
	for (size_t i = 0; i < count; i++)
		if (!checkpoint_compare(&id, &ids[i]))
			return fault_set(f, -EEXIST, "%s is there already", name);
	const struct checkpoint_id *last = &ids[count - 1];
	if (checkpoint_compare(&id, last) > 0 && id.epoch >= last->epoch)
		return 0;
	checkpoint_name(*last, newest);
	return fault_set(f, -ESTALE, "%s would not follow %s: another owner went on", name, newest);
}

int checkpoint_held_fault(struct checkpoint_id id, const char *guest, const struct holder *holder,
			  struct fault *f)
{
	char who[HOLDER_BYTES];

	holder_describe(holder, who);
	return fault_set(f, -EBUSY,
			 "checkpoint %" PRIu64 " of %s is being restored by %s: let it end there "
			 "(vmguard restore --resume where it stands still); "
			 "if that host is gone for good, vmguard snapshots --release %s@%" PRIu64
			 " allows it",
			 id.number, guest, who, guest, id.number);
}

/* ---- texts ------------------------------------------------------------------------------- */

int store_text_fault(const struct store *s, const char *kind, const char *guest, int code,
		     struct fault *f)
{
	if (code == -ESTALE)
		return fault_set(f, code,
				 "the %s of %s has been changed by somebody else meanwhile", kind,
				 guest);
	return fault_errno(f, code, "change the %s of %s in %s", kind, guest, s->uri);
}

int store_text_swap(struct store *s, const char *kind, const char *guest, const char *old,
		    const char *text, struct fault *f)
{
	size_t bytes = text ? strlen(text) : 1;
	int r = store_check_name(guest, f);

	if (r < 0)
		return r;
	if (!bytes || bytes > STORE_TEXT_BYTES_MAX)
		return fault_set(f, -EINVAL, "the %s of %s has %zu bytes: it may have 1 to %d",
				 kind, guest, bytes, STORE_TEXT_BYTES_MAX);
	return s->ops->text_swap(s, kind, guest, old, text, f);
}

struct text_wanted {
	const char *guest;
	char *text;
};

static int pick(void *wanted, const char *guest, const char *text)
{
	struct text_wanted *w = wanted;

	if (strcmp(guest, w->guest) != 0)
		return 0;
	w->text = strdup(text);
	return w->text ? 0 : -ENOMEM;
}

int store_text_read(struct store *s, const char *kind, const char *guest, char **text,
		    struct fault *f)
{
	struct text_wanted w = {.guest = guest};
	int r = store_texts(s, kind, pick, &w, f);

	if (r < 0)
		free(give(w.text));
	*text = w.text;
	return r;
}

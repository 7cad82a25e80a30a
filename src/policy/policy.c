/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policies in the store. Each change compares the whole text, so that of two editors one wins:
 *
 *	load -> generation 7     change     save: is it still 7? -> swap 7 for 8
 *
 * The first generation is the time, so that a policy that was removed and made anew is not taken
 * for the one before.
 */
#include "vmguard/policy.h"

#include <errno.h>
#include <time.h>

#include "vmguard/scope.h"

#define KIND "policy"

static uint64_t generation_after(const struct policy *p)
{
	struct timespec now;

	if (p->generation)
		return p->generation + 1;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1;
}

static int missing_fault(const struct store *s, const char *guest, struct fault *f)
{
	return fault_set(f, -ENOENT, "%s is not protected: %s has no policy of it", guest, s->uri);
}

static int stale_fault(const char *guest, struct fault *f)
{
	return fault_set(f, -ESTALE,
			 "somebody else has changed the policy of %s meanwhile: look at it, and "
			 "change it again",
			 guest);
}

/* *text: NULL where there is none. */
static int read_text(struct store *s, const char *guest, char **text, struct fault *f)
{
	int r = store_check_name(guest, f);

	*text = NULL;
	return r < 0 ? r : store_text_read(s, KIND, guest, text, f);
}

int policy_load(struct store *s, const char *guest, struct policy *p, struct fault *f)
{
	auto_free char *text = NULL;
	int r = read_text(s, guest, &text, f);

	if (r < 0)
		return r;
	if (!text)
		return missing_fault(s, guest, f);
	return policy_decode(text, p, f) < 0 ? fault_wrap(f, "policy of %s in %s", guest, s->uri)
					     : 0;
}

/* Whether a text is of the generation that the caller knows. */
static int check_generation(const char *guest, const char *text, uint64_t generation,
			    struct fault *f)
{
	struct policy now;

	if (policy_decode(text, &now, f) < 0)
		return fault_wrap(f, "policy of %s", guest);
	return now.generation == generation ? 0 : stale_fault(guest, f);
}

static int swap(struct store *s, const char *guest, const char *old, const char *text,
		struct fault *f)
{
	int r = store_text_swap(s, KIND, guest, old, text, f);

	return r == -ESTALE ? stale_fault(guest, f) : r;
}

static int exists_fault(const char *guest, struct fault *f)
{
	return fault_set(f, -EEXIST, "%s is protected already: its policy can be changed", guest);
}

/* As policy_save(): from the text that is there now to `next`. */
static int replace(struct store *s, const char *guest, uint64_t generation, const char *next,
		   struct fault *f)
{
	auto_free char *now = NULL;
	int r = read_text(s, guest, &now, f);

	if (r < 0)
		return r;
	if (!generation) {
		r = now ? -ESTALE : store_text_swap(s, KIND, guest, NULL, next, f);
		return r == -ESTALE ? exists_fault(guest, f) : r;
	}
	if (!now)
		return stale_fault(guest, f);
	r = check_generation(guest, now, generation, f);
	return r < 0 ? r : swap(s, guest, now, next, f);
}

int policy_save(struct store *s, const char *guest, struct policy *p, struct fault *f)
{
	auto_free char *text = NULL;
	struct policy next = *p;
	int r = policy_check(p, f);

	if (r < 0)
		return fault_wrap(f, "policy of %s", guest);
	next.generation = generation_after(p);
	r = policy_encode(&next, &text, f);
	if (!r)
		r = replace(s, guest, p->generation, text, f);
	if (!r)
		p->generation = next.generation;
	return r;
}

int policy_remove(struct store *s, const char *guest, uint64_t generation, struct fault *f)
{
	auto_free char *now = NULL;
	int r = read_text(s, guest, &now, f);

	if (r < 0)
		return r;
	if (!now)
		return missing_fault(s, guest, f);
	if (generation)
		r = check_generation(guest, now, generation, f);
	return r < 0 ? r : swap(s, guest, now, NULL, f);
}

/* ---- the list ---------------------------------------------------------------------------- */

struct listing {
	int (*each)(void *context, const char *guest, const struct policy *p,
		    const struct fault *why);
	void *context;
};

static int tell(void *listing, const char *guest, const char *text)
{
	const struct listing *l = listing;
	struct policy p;
	struct fault why;

	if (policy_decode(text, &p, &why) == 0)
		return l->each(l->context, guest, &p, NULL);
	fault_wrap(&why, "policy of %s", guest);
	return l->each(l->context, guest, NULL, &why);
}

int policy_list(struct store *s,
		int (*each)(void *context, const char *guest, const struct policy *p,
			    const struct fault *why),
		void *context, struct fault *f)
{
	struct listing l = {each, context};

	return store_texts(s, KIND, tell, &l, f);
}

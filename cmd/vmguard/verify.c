/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard verify: reads checkpoints back and names what is damaged in them. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "verb.h"
#include "vmguard/clock.h"

struct verification {
	struct store *store;
	struct target asked;
	uint64_t *numbers; /* of the checkpoints to verify */
	size_t count;
	struct json_object *json; /* an array; NULL: print lines */
	struct json_object *list; /* the damage of the current one */
	char target[TARGET_BYTES];
	size_t damaged; /* checkpoints */
	uint64_t pages; /* of the current one that are not zero */
	int64_t started_ms;
};

static void draw(void *context, const struct verify_figures *now)
{
	struct verification *v = context;
	char what[TARGET_BYTES + 8];

	snprintf(what, sizeof(what), "verify %s", v->target);
	progress_draw(&(struct progress_bar){
		.what = what,
		.total = v->pages,
		.done = now->pages,
		.bytes = now->bytes_read,
		.elapsed_ms = monotonic_ms() - v->started_ms,
	});
}

static int add_number(void *context, const struct listed_checkpoint *l)
{
	struct verification *v = context;
	void *numbers = realloc(v->numbers, (v->count + 1) * sizeof(*v->numbers));

	if (!numbers)
		return -ENOMEM;
	v->numbers = numbers;
	v->numbers[v->count++] = l->id.number;
	return 0;
}

static void add_damage(struct verification *v, const struct damage *d)
{
	struct json_object *o = json_object_new_object();

	json_add_text(o, "what", d->what);
	if (d->block) {
		json_add_text(o, "block", d->block->name);
		json_add_number(o, "offset", d->offset);
	}
	json_add_number(o, "segment", d->segment);
	json_add_text(o, "object", d->object);
	json_add_text(o, "text", d->fault->text);
	json_object_array_add(v->list, o);
}

static int tell_damage(void *context, const struct damage *d)
{
	struct verification *v = context;

	if (v->json) {
		add_damage(v, d);
		return 0;
	}
	progress_wipe();
	if (d->block)
		printf("%s: %s %s+0x%" PRIx64 " in segment %" PRIu64 " (%s) is damaged\n",
		       v->target, d->what, d->block->name, d->offset, d->segment, d->object);
	else
		printf("%s: %s: %s\n", v->target, d->what, d->fault->text);
	return 0;
}

/* It does not open: the fault says which structure it is. */
static void tell_closed(struct verification *v, const struct fault *f)
{
	struct json_object *o;

	if (!v->json) {
		progress_wipe();
		printf("%s: %s\n", v->target, f->text);
		return;
	}
	o = json_object_new_object();
	json_add_text(o, "what", "checkpoint");
	json_add_text(o, "text", f->text);
	json_object_array_add(v->list, o);
}

static void tell_result(struct verification *v, uint64_t number, const struct verify_figures *n)
{
	char size[16];

	if (!v->json) {
		progress_wipe();
		if (n->damaged)
			printf("%s: DAMAGED in %" PRIu64 " place%s, ", v->target, n->damaged,
			       n->damaged == 1 ? "" : "s");
		else
			printf("%s: all right, ", v->target);
		printf("%" PRIu64 " pages, %s read\n", n->pages, format_bytes(n->bytes_read, size));
		fflush(stdout);
		return;
	}
	struct json_object *o = json_object_new_object();
	json_add_text(o, "guest", v->asked.guest);
	json_add_number(o, "checkpoint", number);
	json_add_number(o, "pages", n->pages);
	json_add_number(o, "bytes_read", n->bytes_read);
	json_add_number(o, "damaged", n->damaged);
	json_object_object_add(o, "damage", json_object_get(v->list));
	json_object_array_add(v->json, o);
}

/* Damage is no failure of the verification; a store that does not answer is. */
static bool is_damage(int r)
{
	return r == -EBADMSG || r == -EIO || r == -EOPNOTSUPP || r == -EFBIG;
}

static int verify_open(struct verification *v, struct checkpoint *c, struct verify_figures *n,
		       struct fault *f)
{
	const struct manifest *m = checkpoint_manifest(c);

	v->pages = m->layout.pages - m->pages_zero;
	v->started_ms = monotonic_ms();
	checkpoint_watch(c, draw, v);
	int r = checkpoint_verify(c, tell_damage, v, n, f);

	if (!is_damage(r))
		return r;
	tell_closed(v, f);
	n->damaged++;
	return 0;
}

static int verify_one(struct verification *v, uint64_t number, struct fault *f)
{
	auto_of(checkpoint_close) struct checkpoint *c = NULL;
	struct verify_figures figures = {0};
	int r = checkpoint_open(v->store, v->asked.guest, number, &c, f);

	if (r == -ENOENT && v->count > 1)
		return 0; /* pruned since it was listed */
	if (r < 0 && !is_damage(r))
		return r;
	v->list = json_object_new_array();
	if (r < 0) {
		tell_closed(v, f);
		figures.damaged = 1;
	}
	r = r < 0 ? 0 : verify_open(v, c, &figures, f);
	if (!r)
		tell_result(v, number, &figures);
	v->damaged += figures.damaged > 0;
	json_object_put(give(v->list));
	return r;
}

static int verify_all(struct verification *v, struct fault *f)
{
	int r = 0;

	for (size_t i = 0; !r && i < v->count; i++) {
		format_target(v->asked.guest, v->numbers[i], v->target);
		r = verify_one(v, v->numbers[i], f);
	}
	return r < 0 ? fault_wrap(f, "verify %s", v->target) : 0;
}

static int verify(const struct arguments *a, struct verification *v, struct fault *f)
{
	auto_of(store_close) struct store *store = NULL;
	const struct target *asked = &v->asked;
	int r = parse_target(a->rest[0], &v->asked, f);

	if (!r)
		r = arguments_open_store(a, &store, f);
	if (r < 0)
		return r;
	v->store = store;
	r = asked->number ? add_number(v, &(struct listed_checkpoint){.id.number = asked->number})
			  : checkpoint_list(store, asked->guest, add_number, v, f);
	if (!r && !v->count)
		r = fault_set(f, -ENOENT, "%s has no checkpoint in %s", asked->guest, a->store);
	if (!r)
		r = verify_all(v, f);
	free(v->numbers);
	return r;
}

static int verify_run(int argc, char **argv)
{
	struct arguments a;
	struct verification v = {0};
	struct fault f;
	int exit;

	if (!arguments_read(&verb_verify, "store key-file json", argc, argv, &a, &exit))
		return exit;
	if (a.rest_count != 1)
		return usage_error(&verb_verify, "one NAME or NAME@N is needed");
	v.json = a.json ? json_object_new_array() : NULL;
	int r = verify(&a, &v, &f);
	if (a.json)
		json_print(v.json);
	if (r < 0)
		return report_fault(&f);
	return v.damaged ? EXIT_FAILED : EXIT_DONE;
}

const struct verb verb_verify = {
	.name = "verify",
	.summary = "Reads checkpoints back and says what is damaged.",
	.usage = "--store URI NAME[@N] [--json]",
	.help = HELP_STORE "  NAME@N            this checkpoint\n"
			   "  NAME              all checkpoints of the guest\n" HELP_KEY
			   "  --json            print a JSON array\n",
	.run = verify_run,
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmguard drill: whether a guest would come back. Its checkpoint goes on as another domain without
 *a network, which has to prove alive, and is removed with all that was made for it:
 *
 *	note in the run directory -> clones, domain -> it runs -> it proves alive -> removed -> note
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "drill_note.h"
#include "proof.h"
#include "restored.h"
#include "vmguard/clock.h"

enum {
	TIMEOUT_MS = 60000,
	WORD_BYTES = 16,
	GUEST_CHARACTERS = 40, /* of its name, in the domain's */
};

struct drill {
	struct restored restored;
	struct copy copy;
	char word[WORD_BYTES]; /* "drill-1a2b3c4d" */
	bool noted;
	struct proof *proof;
	struct proof_result result;
};

/* ---- what it makes ----------------------------------------------------------------------- */

static int name_it(struct drill *d, struct fault *f)
{
	char name[LIBVIRT_NAME_BYTES];
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return fault_errno(f, -EIO, "make a name");
	snprintf(d->word, sizeof(d->word), DRILL_WORD "%08" PRIx32, number);
	snprintf(name, sizeof(name), "%.*s-%s", GUEST_CHARACTERS, d->restored.target.guest,
		 d->word);
	d->copy.suffix = d->word;
	return copy_name(&d->copy, name, f);
}

static int check_provable(const struct drill *d, struct fault *f)
{
	if (d->restored.arguments->expect || definition_has_agent(d->copy.xml))
		return 0;
	return fault_set(f, -EINVAL,
			 "it has no channel for a guest agent (org.qemu.guest_agent.0): say with "
			 "--expect what it writes on its console");
}

static int before(void *drill, const struct copy *c, struct fault *f)
{
	struct drill *d = drill;
	const struct arguments *a = d->restored.arguments;
	struct drill_note note = {.copy = *c};
	int r = check_provable(d, f);

	snprintf(note.guest, sizeof(note.guest), "%s", d->restored.target.guest);
	snprintf(note.uri, sizeof(note.uri), "%s", a->connect);
	if (!r)
		r = drill_note_write(&note, f);
	d->noted = !r;
	return r;
}

static void start_proof(void *drill)
{
	struct drill *d = drill;

	proof_start(d->proof, &d->restored.domain);
}

/* ---- removing it ------------------------------------------------------------------------- */

/* By its UUID, which nobody else has had. */
static int remove_copy(const struct copy *c, const char *uri, struct fault *f)
{
	struct libvirt_domain domain = {.uri = *uri ? uri : NULL, .id = -1};

	snprintf(domain.name, sizeof(domain.name), "%s", c->name);
	snprintf(domain.uuid, sizeof(domain.uuid), "%s", c->uuid);
	int r = libvirt_domain_end(&domain, f);
	if (!r)
		r = copy_remove(c, f);
	return r < 0 ? fault_wrap(f, "remove \"%s\"", c->name) : 0;
}

/* What stays is noted. */
static int tidy(struct drill *d, struct fault *f)
{
	int r = d->noted ? remove_copy(&d->copy, d->restored.arguments->connect, f) : 0;

	if (!r)
		drill_note_remove();
	return r;
}

static int remove_leftover(void *drill, const struct drill_note *n, struct fault *f)
{
	int r = remove_copy(&n->copy, n->uri, f);

	(void)drill;
	if (!r)
		fprintf(stderr, "vmguard: \"%s\" was left by a drill that died, and is removed\n",
			n->copy.name);
	return r;
}

/* ---- the verb ---------------------------------------------------------------------------- */

static int64_t proved_ms(const struct drill *d)
{
	return d->result.at_ms - d->restored.since_ms;
}

static void print_object(const struct drill *d)
{
	const struct restored *r = &d->restored;
	struct json_object *o = json_object_new_object();

	json_add_text(o, "guest", r->target.guest);
	json_add_number(o, "checkpoint", r->number);
	json_add_text(o, "mode", r->lazy ? "lazy" : "full");
	json_add_bool(o, "proved", d->result.alive);
	json_add_text(o, "by", r->arguments->expect ? "console" : "guest agent");
	json_add_number(o, "run_ms", r->result.run_ms);
	if (d->result.alive)
		json_add_number(o, "proved_ms", proved_ms(d));
	json_add_number(o, "total_ms", r->result.total_ms);
	if (d->result.seen[0])
		json_add_text(o, "seen", d->result.seen);
	json_print(o);
}

static void print_text(const struct drill *d)
{
	const struct restored *r = &d->restored;

	printf("%s@%" PRIu64 " ran after %" PRId64 " ms", r->target.guest, r->number,
	       r->result.run_ms);
	if (d->result.alive)
		printf(" and proved alive after %" PRId64 " ms (%s)", proved_ms(d),
		       r->arguments->expect ? "its console" : "its guest agent");
	printf(", all its memory was there after %.1f s\n", r->result.total_ms / 1e3);
}

static void say_not_proved(const struct drill *d)
{
	const struct arguments *a = d->restored.arguments;
	const struct proof_result *p = &d->result;

	fprintf(stderr,
		"vmguard: %s has not proved alive within %" PRId64 " s: ", d->restored.target.guest,
		a->timeout_ms / 1000);
	if (p->fault.code)
		fprintf(stderr, "%s\n", p->fault.text);
	else if (p->seen[0])
		fprintf(stderr, "nothing on its console is like \"%s\", the last line is \"%s\"\n",
			a->expect, p->seen);
	else
		fprintf(stderr, "there was nothing on its console\n");
}

static int tell(const struct drill *d)
{
	progress_wipe();
	if (d->restored.arguments->json)
		print_object(d);
	else
		print_text(d);
	if (!d->result.alive)
		say_not_proved(d);
	return d->result.alive ? EXIT_DONE : EXIT_PARTLY;
}

static int drill(struct drill *d, struct fault *f)
{
	const volatile int *stop = interrupt_catch("\nstopping\n");
	int r = restore_in_domain(&d->restored, f);

	if (r < 0)
		return r;
	d->result = proof_wait(d->proof, stop);
	return *stop ? fault_set(f, -EINTR, "the drill of %s was interrupted",
				 d->restored.target.guest)
		     : 0;
}

static int drill_all(struct drill *d)
{
	struct fault f, left;
	int r = drill_note_each(d->restored.target.guest, remove_leftover, d, &f);

	if (!r)
		r = name_it(d, &f);
	if (r < 0)
		return report_fault(&f);
	d->restored.since_ms = monotonic_ms();
	r = drill(d, &f);
	int exit = r < 0 ? report_fault(&f) : tell(d);
	if (tidy(d, &left) < 0) {
		fault_wrap(&left, "the next drill of %s tries it again", d->restored.target.guest);
		exit = report_fault(&left);
	}
	return exit;
}

static int drill_run(int argc, char **argv)
{
	static const char accepted[] =
		"connect store expect timeout mode max-rate store-wait key-file json";
	struct arguments a;
	struct drill d = {.restored = {.arguments = &a, .since_ms = monotonic_ms()}};
	struct fault f;
	int exit;

	if (!arguments_read(&verb_drill, accepted, argc, argv, &a, &exit))
		return exit;
	if (!a.connect)
		return usage_error(&verb_drill, "--connect URI says which libvirt");
	if (a.rest_count != 1)
		return usage_error(&verb_drill, "which guest?");
	a.keep_clock = true;
	if (!a.timeout_ms)
		a.timeout_ms = TIMEOUT_MS;
	d.copy.is_removed = true;
	d.copy.before = before;
	d.copy.context = &d;
	d.restored.copy = &d.copy;
	d.restored.ran = start_proof;
	d.restored.ran_context = &d;
	if (parse_target(a.rest[0], &d.restored.target, &f) < 0 ||
	    proof_new(a.expect, a.timeout_ms, &d.proof, &f) < 0)
		return report_fault(&f);
	exit = drill_all(&d);
	proof_free(d.proof);
	copy_clear(&d.copy);
	return exit;
}

const struct verb verb_drill = {
	.name = "drill",
	.summary = "Proves that a guest would come back.",
	.usage = "--connect URI --store URI NAME[@N] [OPTIONS]",
	.help = HELP_STORE
	"  NAME[@N]          the guest, and which checkpoint; default its newest. It is\n"
	"                    continued as another guest, with clones of its disks and no\n"
	"                    network, and removed at the end; the guest itself may run\n"
	"  --connect URI     which libvirt; for a checkpoint that was taken with --domain\n"
	"  --expect REGEX    it is alive when a line on its console is like this (a POSIX\n"
	"                    extended regular expression); default: when its guest agent\n"
	"                    answers\n"
	"  --timeout T       within this time after it began to run (60s)\n"
	"  --mode lazy|full  lazy: the guest runs at once, its memory follows; full: all\n"
	"                    memory first. Default: lazy where QEMU can\n"
	"  --max-rate SIZE   lazy: of memory that is not asked for, bytes a second (100M)\n"
	"  --store-wait T    lazy: how long the store may be away (5m)\n" HELP_KEY
	"  --json            print one JSON object\n"
	"\nThe exit status is 0 where it has proved alive, 4 where it ran and has not, and 1\n"
	"or 3 where it did not run.\n",
	.run = drill_run,
};

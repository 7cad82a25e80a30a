/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmguard clone: a checkpoint goes on as another domain, beside the one it was taken of.
 *
 * Network interfaces are exchanged when all memory is there: each has a RAM block (its ROM), and
 * QEMU ends where a page comes for one that is gone.
 */
#include <stdio.h>
#include <string.h>

#include "restored.h"
#include "vmguard/clock.h"
#include "vmguard/document.h"

struct cloned {
	struct restored restored;
	struct copy copy;
};

/* ---- network interfaces ------------------------------------------------------------------- */

static void read_mac(const char *interface, char mac[COPY_MAC_BYTES])
{
	auto_of(document_close) struct document *d = NULL;
	struct fault ignored;

	if (document_read(interface, strlen(interface), &d, &ignored) < 0)
		snprintf(mac, COPY_MAC_BYTES, "?");
	else
		document_text(d, NULL, "string(/interface/mac/@address)", mac, COPY_MAC_BYTES);
}

/* One that stays is no reason to leave the others. */
static int exchange(void *cloned, const char *out, const char *in)
{
	struct cloned *c = cloned;
	struct fault f;
	char mac[COPY_MAC_BYTES];

	if (libvirt_domain_exchange(&c->restored.domain, out, in, &f) == 0) {
		c->copy.connected++;
		return 0;
	}
	read_mac(out, mac);
	fprintf(stderr,
		"vmguard: network interface %s of \"%s\" is not connected to anything: %s\n", mac,
		c->copy.name, f.text);
	c->copy.unconnected++;
	return 0;
}

/* How many there are where none is exchanged. */
static int count(void *cloned, const char *out, const char *in)
{
	struct cloned *c = cloned;

	(void)out;
	(void)in;
	c->copy.unconnected++;
	return 0;
}

static bool is_isolated(const struct arguments *a)
{
	return !a->network || !strcmp(a->network, "none");
}

/* libvirt's name of it; NULL: as the original's, or none. */
static const char *network_of(const struct arguments *a)
{
	return is_isolated(a) || !strcmp(a->network, "same") ? NULL : a->network;
}

static int connect_interfaces(struct cloned *c, struct fault *f)
{
	const struct arguments *a = c->restored.arguments;

	return definition_interfaces(c->copy.original, network_of(a),
				     is_isolated(a) ? count : exchange, c, f);
}

/* What can be known before anything is made. */
static int check_network(const struct cloned *c, struct fault *f)
{
	const struct arguments *a = c->restored.arguments;
	struct libvirt_domain domain = {.uri = a->connect};

	snprintf(domain.name, sizeof(domain.name), "%s", c->copy.name);
	return network_of(a) ? libvirt_network_check(&domain, network_of(a), f) : 0;
}

/* ---- the verb ----------------------------------------------------------------------------- */

static int finish(struct cloned *c)
{
	struct fault f;

	if (connect_interfaces(c, &f) < 0) {
		fault_wrap(&f, "\"%s\" runs, but its network leads nowhere", c->copy.name);
		return report_fault(&f);
	}
	restored_print(&c->restored);
	return !is_isolated(c->restored.arguments) && c->copy.unconnected ? EXIT_PARTLY : EXIT_DONE;
}

static int check_usage(const struct arguments *a)
{
	if (!a->connect)
		return usage_error(&verb_clone, "--connect URI says which libvirt");
	if (a->rest_count != 1)
		return usage_error(&verb_clone, "which guest?");
	if (!a->as)
		return usage_error(&verb_clone, "--as NEW says what it is called");
	if (a->mode && strcmp(a->mode, "full") != 0 && strcmp(a->mode, "lazy") != 0)
		return usage_error(&verb_clone, "--mode %s: it is lazy or full", a->mode);
	return EXIT_DONE;
}

static int clone_run(int argc, char **argv)
{
	static const char accepted[] = "connect store as network define mode max-rate store-wait "
				       "keep-clock no-verify key-file json";
	struct arguments a;
	struct cloned c = {.restored = {.arguments = &a, .since_ms = monotonic_ms()}};
	struct fault f;
	int exit;

	if (!arguments_read(&verb_clone, accepted, argc, argv, &a, &exit))
		return exit;
	exit = check_usage(&a);
	if (exit != EXIT_DONE)
		return exit;
	c.restored.copy = &c.copy;
	c.copy.suffix = a.as;
	if (parse_target(a.rest[0], &c.restored.target, &f) < 0 ||
	    copy_name(&c.copy, a.as, &f) < 0 || check_network(&c, &f) < 0 ||
	    restore_in_domain(&c.restored, &f) < 0)
		exit = report_fault(&f);
	else
		exit = finish(&c);
	copy_clear(&c.copy);
	return exit;
}

const struct verb verb_clone = {
	.name = "clone",
	.summary = "Continues a checkpoint as another guest, beside the first.",
	.usage = "--connect URI --store URI NAME[@N] --as NEW [OPTIONS]",
	.help = HELP_STORE
	"  NAME[@N]          the guest, and which checkpoint; default its newest. It may\n"
	"                    run on, and is not touched\n"
	"  --connect URI     libvirt starts the new domain; for a checkpoint that was\n"
	"                    taken with --domain\n"
	"  --as NEW          its name; its disks are clones, named after the originals\n"
	"                    and NEW\n"
	"  --network WHERE   none: its network interfaces lead nowhere (the default);\n"
	"                    same: as those of the original; else a network of libvirt.\n"
	"                    Each is exchanged for one with a new MAC address, once all\n"
	"                    memory is there\n"
	"  --define          libvirt keeps the domain when it ends\n"
	"  --mode lazy|full  lazy: the guest runs at once, its memory follows; full: all\n"
	"                    memory first. Default: lazy where QEMU can\n"
	"  --max-rate SIZE   lazy: of memory that is not asked for, bytes a second (100M)\n"
	"  --store-wait T    lazy: how long the store may be away (5m)\n"
	"  --keep-clock      leave the guest's clock as far behind as it is\n"
	"  --no-verify       send damaged pages as they are: the guest may not survive "
	"it\n" HELP_KEY "  --json            print one JSON object\n"
	"\nThe exit status is 4 where it runs, but a network interface was not exchanged.\n",
	.run = clone_run,
};

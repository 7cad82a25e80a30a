/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmguard.conf, when the daemon starts and when it is told to read it again. */
#include <stdio.h>
#include <string.h>

#include "daemon.h"

struct reader {
	struct config_reader base;
	struct policy *defaults;
};

static int set_default(struct config_reader *base, const char *key, const char *value,
		       struct fault *f)
{
	struct reader *r = (struct reader *)base;

	return policy_set(r->defaults, key, value, f);
}

static void tell_wrong(struct config_reader *base, const char *sentence)
{
	(void)base;
	fprintf(stderr, "vmguardd: %s\n", sentence);
}

int settings_read(const char *file, struct config *c, struct policy *defaults, struct fault *f)
{
	struct reader r = {.base = {.set_default = set_default, .wrong = tell_wrong},
			   .defaults = defaults};

	policy_init(defaults);
	return config_read(file, &r.base, c, f);
}

/* ---- again ---------------------------------------------------------------------------------- */

/* What is open already, in the words of the file. NULL: nothing of that is other now. */
static const char *needs_restart(const struct config *old, const struct config *new)
{
	const struct {
		const char *name, *old, *new;
	} texts[] = {
		{"[host] name", old->host, new->host},
		{"[store] uri", old->store, new->store},
		{"[api] socket", old->socket, new->socket},
		{"[api] group", old->group, new->group},
		{"[api] listen", old->listen, new->listen},
		{"[api] certificate", old->certificate, new->certificate},
		{"[api] key", old->key, new->key},
		{"[api] client-ca", old->client_ca, new->client_ca},
		{"[directories] run", old->run_directory, new->run_directory},
		{"[directories] state", old->state_directory, new->state_directory},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].old, texts[i].new) != 0)
			return texts[i].name;
	return NULL;
}

/* Guests keep what they were protected with: [defaults] are for the next ones. */
void settings_reload(struct daemon *d)
{
	struct policy defaults;
	struct config config;
	struct fault f;

	if (settings_read(d->config_file, &config, &defaults, &f) < 0) {
		daemon_say(d, EVENT_CONFIG_REFUSED, "%s: all stays as it was", f.text);
		return;
	}
	const char *late = needs_restart(&d->config, &config);
	if (late) {
		daemon_say(d, EVENT_CONFIG_REFUSED,
			   "%s: %s takes effect only when vmguardd is started anew; all stays as "
			   "it was",
			   d->config_file, late);
		return;
	}
	d->config = config;
	d->defaults = defaults;
	d->slots.limit = (unsigned)config.captures_per_store;
	guards_set_limit(d->guards, (unsigned)config.captures_per_host);
	if (tell_reopen_webhooks(d, &f) < 0)
		daemon_say(d, EVENT_CONFIG_REFUSED, "%s: without webhooks: %s", d->config_file,
			   f.text);
	else
		daemon_say(d, EVENT_CONFIG_TAKEN, "%s was read anew", d->config_file);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of the keys that vmguard.conf may have. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmguard/config.h"

enum { CONFIG_KEYS_MAX = 32 };

struct config_key {
	const char *section; /* "": above the first section */
	const char *name;
	const char *initial; /* as it would stand in the file; "" may be written too */
	const char *values;  /* what it may be, in words; NULL: one of the choices */
	bool (*read)(const struct config_key *k, const char *value, char *field);
	size_t offset, bytes; /* in struct config, or struct config_webhook */
	const char *const *choices;
	uint64_t least, most;
};

#define CONFIG_WEBHOOK_SECTION "webhook"
#define CONFIG_DEFAULTS_SECTION "defaults"

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* NULL: there is none. */
const struct config_key *config_key_find(const char *section, const char *name);

/* Sets it in `object`, a struct config or struct config_webhook; false: that is no value of it. */
bool config_key_read(const struct config_key *k, const char *value, void *object);

/* "allow or refuse"; gives `text`. */
const char *config_key_values(const struct config_key *k, char *text, size_t bytes);

/* All keys of the section to their initial values. */
void config_keys_reset(const char *section, void *object);

/* The name that somebody may have meant, of a section or of a key in a section; NULL: none. */
const char *config_section_near(const char *typed);
const char *config_key_near(const char *section, const char *typed);

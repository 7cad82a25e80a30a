/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fuzzes the settings of a host. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmguard/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void take_sentence(struct config_reader *r, const char *sentence)
{
	(void)r;
	(void)strlen(sentence);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	struct config_reader reader = {.wrong = take_sentence};
	struct config config;
	struct fault fault;
	char path[64];

	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, bytes) == (ssize_t)bytes)
		config_read(path, &reader, &config, &fault);
	close(fd);
	return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzzer's corpus without libFuzzer, so that it is a plain test with any compiler:
 * every file of the folder as it is, cut short at 64 points, and with 64 bits flipped.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "vmguard/scope.h"

enum { VARIANTS = 64, FILE_BYTES_MAX = 4 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void feed_variants(uint8_t *data, size_t bytes)
{
	LLVMFuzzerTestOneInput(data, bytes);
	for (size_t i = 1; i <= VARIANTS && bytes; i++) {
		size_t at = (bytes * i * 7919 / VARIANTS) % bytes;

		LLVMFuzzerTestOneInput(data, at);
		data[at] ^= 1u << (i % 8);
		LLVMFuzzerTestOneInput(data, bytes);
		data[at] ^= 1u << (i % 8);
	}
}

static int feed_file(const char *folder, const char *name)
{
	char path[4096];
	auto_free uint8_t *data = malloc(FILE_BYTES_MAX);

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (!file || !data) {
		perror(path);
		return -1;
	}
	feed_variants(data, fread(data, 1, FILE_BYTES_MAX, file));
	fclose(file);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
		return 2;
	}
	DIR *folder = opendir(argv[1]);
	if (!folder) {
		perror(argv[1]);
		return 1;
	}
	int files = 0;
	struct dirent *entry;
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		if (feed_file(argv[1], entry->d_name) < 0)
			return 1;
		files++;
	}
	closedir(folder);
	printf("%d files\n", files);
	return files ? 0 : 1;
}

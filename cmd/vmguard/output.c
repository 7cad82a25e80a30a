/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people see: faults, sizes, times, the progress bar. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "verb.h"

enum {
	BAR_CELLS = 16,
	DRAW_EVERY_MS = 100,
};

void tell_fault(void *unused, const struct fault *f)
{
	(void)unused;
	progress_wipe();
	fprintf(stderr, "vmguard: %s\n", f->text);
}

int report_fault(const struct fault *f)
{
	tell_fault(NULL, f);
	switch (f->code) {
	case -EPERM:
	case -EBUSY:
		return EXIT_REFUSED;
	case -EINVAL:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}

const char *format_bytes(uint64_t bytes, char text[16])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
	double value = bytes;
	int unit = 0;

	while (value >= 1024 && unit < 4) {
		value /= 1024;
		unit++;
	}
	snprintf(text, 16, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return text;
}

const char *format_time(int64_t time_ms, char text[32])
{
	time_t seconds = time_ms / 1000;
	struct tm parts;

	localtime_r(&seconds, &parts);
	strftime(text, 32, "%Y-%m-%d %H:%M:%S", &parts);
	return text;
}

const char *format_target(const char *guest, uint64_t number, char text[TARGET_BYTES])
{
	snprintf(text, TARGET_BYTES, "%s@%" PRIu64, guest, number);
	return text;
}

double percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * part / whole : 0;
}

static int terminal_columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col ? 80 : size.ws_col;
}

static bool is_due(const struct progress_bar *bar)
{
	static int64_t drawn_ms = -DRAW_EVERY_MS;

	if (bar->elapsed_ms < drawn_ms)
		drawn_ms = -DRAW_EVERY_MS; /* another bar */
	if (bar->elapsed_ms - drawn_ms < DRAW_EVERY_MS)
		return false;
	drawn_ms = bar->elapsed_ms;
	return true;
}

void progress_draw(const struct progress_bar *bar)
{
	char line[256];
	char cells[BAR_CELLS + 1];

	if (!isatty(STDERR_FILENO) || !is_due(bar))
		return;
	int filled = percent(bar->done, bar->total) * BAR_CELLS / 100;
	memset(cells, '.', BAR_CELLS);
	memset(cells, '#', filled);
	cells[BAR_CELLS] = '\0';
	snprintf(line, sizeof(line), "%s [%s] %3.0f %% %6.0f MB/s%s%s", bar->what, cells,
		 percent(bar->done, bar->total),
		 bar->elapsed_ms ? bar->bytes / 1e3 / bar->elapsed_ms : 0, bar->note ? "  " : "",
		 bar->note ? bar->note : "");
	fprintf(stderr, "\r%.*s\033[K", terminal_columns() - 1, line);
}

void progress_wipe(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

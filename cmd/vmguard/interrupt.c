/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ^C: the work in hand is brought to a safe end instead of being left lying. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "verb.h"

static volatile int interrupted;
static const char *sentence;

static void on_signal(int number)
{
	(void)number;
	if (!interrupted)
		(void)!write(STDERR_FILENO, sentence, strlen(sentence));
	interrupted = 1;
}

const volatile int *interrupt_catch(const char *say)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	sentence = say;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	return &interrupted;
}

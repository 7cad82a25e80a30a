/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A series of checkpoints: --every, in the foreground. */
#pragma once

#include "verb.h"
#include "vmguard/session.h"

/*
 * Takes a checkpoint at each tick (ticks.h) of an open session and prints a line for each and one
 * at the end. Ends after --count checkpoints that were begun, when the guest is gone, or by a
 * signal. EXIT_DONE where all that were begun were taken, and as many as asked for.
 */
int series_run(struct session *s, const struct arguments *a);

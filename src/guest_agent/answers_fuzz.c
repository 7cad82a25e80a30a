/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes what comes from the guest: pieces whose sizes come from the input, once out of step and
 * once in step. The awaited number is the one of the corpus.
 */
#include "guest_agent/answers.h"

enum { CORPUS_ID = 4711 };

static void feed(struct agent_answers *a, const uint8_t *data, size_t bytes)
{
	struct json_object *answer;
	struct fault f;
	size_t at = 0;

	while (at < bytes) {
		size_t piece = 1 + data[at] * 3u;

		if (piece > bytes - at)
			piece = bytes - at;
		if (agent_answers_feed(a, (const char *)data + at, piece, &f) < 0)
			break;
		answer = agent_answers_take(a);
		if (answer)
			agent_answer_read(answer, "guest-set-time", &f);
		json_object_put(answer);
		at += piece;
	}
	agent_answers_clear(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char in_step[] = "\xff{\"return\": 4711}";
	struct agent_answers a = {0};
	struct fault f;

	agent_answers_resync(&a, CORPUS_ID);
	feed(&a, data, bytes);
	agent_answers_resync(&a, CORPUS_ID);
	agent_answers_feed(&a, in_step, sizeof(in_step) - 1, &f);
	json_object_put(agent_answers_take(&a));
	feed(&a, data, bytes);
	return 0;
}

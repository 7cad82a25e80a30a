/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The main() of a unit test: UNIT_MAIN("module", a_case, another_case). Cases run in this
 * process (a sanitizer then sees them whole) unless CK_FORK=yes.
 */
#pragma once

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

/* A sanitizer keeps memory that was freed, and its mlock() does nothing. */
#if defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static inline int unit_run(const char *name, const TTest *const *cases, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *all = tcase_create(name);

	tcase_set_timeout(all, 240);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(all, cases[i]);
	suite_add_tcase(suite, all);
	SRunner *runner = srunner_create(suite);
	if (!getenv("CK_FORK"))
		srunner_set_fork_status(runner, CK_NOFORK);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define UNIT_MAIN(name, ...)                                                    \
	int main(void)                                                          \
	{                                                                       \
		const TTest *const cases[] = {__VA_ARGS__};                     \
		return unit_run(name, cases, sizeof(cases) / sizeof(cases[0])); \
	}

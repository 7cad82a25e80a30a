#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The C files pass cppcheck. A false alarm is silenced where it is, with a reason:
#	// cppcheck-suppress NAME ; why
# Two checks are off: memleak does not know __attribute__((cleanup)), legacyUninitvar does
# not follow an error code; the sanitizers' build and clang-tidy look for both.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=files.sh
. "$(dirname "$0")/files.sh"
need cppcheck

files '\.c$' | cppcheck --quiet -j 2 --file-list=- --enable=warning,performance,portability \
	--error-exitcode=1 --inline-suppr --std=c11 -I include -I src -D_GNU_SOURCE \
	--suppress=missingIncludeSystem --suppress=memleak --suppress=legacyUninitvar \
	--template='{file}:{line}: {id}: {message}'

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What is shipped passes clang-tidy: tidy.sh BUILD, which has
# compile_commands.json. Tests and fuzzers are left out: they take most of the time.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=files.sh
. "$(dirname "$0")/files.sh"
need clang-tidy

build=$1
sources=$(files '^(src|cmd)/.*\.c$' | grep -vE '_(test|fuzz)\.c$|/fuzz_')

# A file that is not compiled yet has no command line to check it with.
compiled=$(python3 -c '
import json, os, sys
for entry in json.load(open(sys.argv[1])):
    print(os.path.relpath(os.path.join(entry["directory"], entry["file"])))
' "$build/compile_commands.json")

comm -12 <(sort <<<"$sources") <(sort -u <<<"$compiled") |
	xargs -r -n 4 -P 2 clang-tidy -p "$build" --quiet

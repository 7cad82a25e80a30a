#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The C files look as .clang-format wants them; "clang-format -i FILE" makes them so.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=files.sh
. "$(dirname "$0")/files.sh"
need clang-format

files '\.[ch]$' | xargs clang-format --dry-run -Werror

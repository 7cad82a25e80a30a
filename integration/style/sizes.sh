#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Functions and files stay small; see sizes.py.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=files.sh
. "$(dirname "$0")/files.sh"
need ctags

files '\.(c|h|sh|py|js|css)$' | xargs python3 integration/style/sizes.py

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The scripts pass shellcheck.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=files.sh
. "$(dirname "$0")/files.sh"
need shellcheck

files '\.(sh|bash)$|^\.ci/run$|^integration/libvirt/qemu$' | xargs shellcheck -x

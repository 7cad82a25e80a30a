#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every source file says under which licence it stands, and no file or folder has a name
# that says nothing.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=files.sh
. "$(dirname "$0")/files.sh"

bad=0
while read -r file; do
	head -n 3 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || {
		echo "$file: no SPDX line among the first three"
		bad=1
	}
done < <(files '\.(c|h|S|sh|bash|zsh|py|js|css|html|svg)$|(^|/)meson\.build$|^meson_options\.txt$|^\.clang-|^\.ci/run$|^integration/libvirt/qemu$')

if files '(^|/)(utils?|common|misc|helpers?|manager)(\.|/|_test\.)'; then
	echo "the names above say nothing about what is in there"
	bad=1
fi
exit $bad

# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Which files the style tests look at; each test sources this.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

# files REGEX: the project's files whose path matches; without git all but what was built
files() {
	local file
	files_all | grep -E "$1" | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done
}

files_all() {
	if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$PWD" ]; then
		git ls-files
	else
		find . -name '.git' -prune -o -path './build*' -prune -o -type f -printf '%P\n' | sort
	fi
}

need() {
	command -v "$1" >/dev/null || {
		echo "$1 is not installed"
		exit 77
	}
}

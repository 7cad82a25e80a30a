#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manual page is right: each example of vmguard(1) runs as it stands there, only with the
# story's own paths; each verb's --help and the page name the same options.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need mandoc
page=$(realpath "$(dirname "$0")/../../cmd/vmguard/vmguard.1")
daemon=$(dirname "$page")/../vmguardd
mandoc -T lint -W warning "$page" "$daemon"/*.[58]

# examples: what stands between .Bd and .Ed after EXAMPLES, as a script that shows what it runs
# shellcheck disable=SC2016 # $VMGUARD is for the script
examples() {
	sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/p' "$page" | sed -n '/^\.Bd/,/^\.Ed/p' |
		sed -e '/^\./d' -e 's/^\$ //' -e 's/\\e$/\\/' -e "s#/run/web1#$STORY/web1#g" \
			-e "s#/srv/vmguard#$STORY/store#g" -e 's/-m 1G/-m 128/' \
			-e 's/^vmguard/"$VMGUARD"/' -e 's/^\(qemu-system\)/exec_qemu \1/'
}

# Where the page has "&": the guest is the story's to stop.
exec_qemu() {
	process_start web1 "$@"
	wait_until 30 test -S "$STORY/web1.qmp"
	sleep 1
}

cp "$GUESTS/counter.bin" "$STORY/guest.img"
cd "$STORY"
examples | sed 's/ &$//' >"$STORY/examples"
cat "$STORY/examples"

# each block needs what the one before made, so they run as one script
set -x
# shellcheck source=/dev/null
. "$STORY/examples" | tee "$STORY/output"
set +x

pid=$(sed -nE 's/^QEMU has pid ([0-9]+),.*/\1/p' "$STORY/output")
process_adopt restored "$pid"
process_alive restored || fail "the restored guest does not run"
[ -s "$STORY/web1.stream" ] || fail "nothing was exported"
(($(checkpoints "dir:$STORY/store" web1) == 2)) || fail "not two checkpoints are left"

step "help and page agree"
text=$(mandoc -T ascii "$page" | sed 's/.\x08//g')
for verb in $("$VMGUARD" --help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
	help=$("$VMGUARD" "$verb" --help)
	while read -r option; do
		grep -qe "$option\b" <<<"$text" || fail "$verb $option is not in the page"
	done < <(grep -oE -e '--[a-z][a-z-]+' <<<"$help" | sort -u)
done
while read -r key; do
	grep -qx "\.It Cm $key" "$daemon/vmguard.conf.5" || fail "$key is not in vmguard.conf(5)"
done < <(sed -nE 's/^\t\{\{"([a-z-]+)".*/\1/p' "$daemon/../../src/policy/keys.c")
step "done"

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# One flipped bit in any file of a store is found and named; a restore refuses it, and --no-verify
# takes it as it is.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
store=dir:$STORY/store
counter_make "$STORY/counter.bin" 24
counter_args "$STORY/counter.bin"
machine=(-M pc -m 32 "${COUNTER_ARGS[@]}")
guest_start web "${machine[@]}"
wait_until 60 counter_reached web 2
snapshot web "$store"
snapshot web "$store"
guest_kill web
"$VMGUARD" verify --store "$store" web
"$VMGUARD" export --store "$store" web@1 "$STORY/sound.stream"

step "a flipped bit in each file, at sampled offsets"
"$(dirname "$0")/flip.py" "$VMGUARD" "$store" "$STORY/store/web"

step "all is well again"
"$VMGUARD" verify --store "$store" web

step "a file that is missing"
file=$(find "$STORY/store/web" -name 'seg-1.*' | head -n 1)
mv "$file" "$STORY/missing"
refused 1 "$VMGUARD" verify --store "$store" web | tee "$STORY/said"
grep -q "segment 1 (.*${file##*/})" "$STORY/said" || fail "not named"
mv "$STORY/missing" "$file"

# a byte in the middle of a data segment
file=$(find "$STORY/store/web" -name 'seg-*' -size +4000k | sort | tail -n 1)
flipped=$(byte_flip "$file" 1234567)

step "the list does not know of a damaged page, verify names it"
"$VMGUARD" snapshots --store "$store"
refused 1 "$VMGUARD" verify --store "$store" web | tee "$STORY/said"
grep -q "page pc.ram+0x.*(.*${file##*/})" "$STORY/said" || fail "not named"
target=$(sed -nE 's/^(web@[0-9]): page .*/\1/p' "$STORY/said" | head -n 1)
where=$(sed -nE 's/^web@.: page (pc.ram\+0x[0-9a-f]+) .*/\1/p' "$STORY/said" | head -n 1)

step "restore and export refuse it with its address"
guest_command gone "${machine[@]}"
refused 1 "$VMGUARD" restore --store "$store" "$target" --mode full -- "${GUEST_COMMAND[@]}" 2>"$STORY/said"
cat "$STORY/said"
grep -qF "$where" "$STORY/said" || fail "not $where"
refused 1 "$VMGUARD" export --store "$store" "$target" "$STORY/refused.stream"
[ ! -e "$STORY/refused.stream" ] || fail "a refused export left its file"

step "--no-verify takes it as it is"
"$VMGUARD" export --store "$store" "$target" --no-verify "$STORY/taken.stream"
guest_command taken "${machine[@]}" -S
"$VMGUARD" restore --store "$store" "$target" --no-verify --json -- "${GUEST_COMMAND[@]}" \
	>"$STORY/taken.json"
guest_adopt taken "$(json pid <"$STORY/taken.json")"
guest_is taken paused
address=$((${where#pc.ram+} + 1234567 % 4096))
byte=$(qmp "$STORY/taken.look" '{"execute":"human-monitor-command",
	"arguments":{"command-line":"xp /1xb '"$address"'"}}')
grep -q "$flipped" <<<"$byte" || fail "the flipped byte is not in the guest: $byte"
step "--whole stores it anew"
qmp "$STORY/taken.look" '{"execute":"cont"}' >/dev/null
"$VMGUARD" snapshot --qmp "$(json qmp <"$STORY/taken.json")" --store "$store" --name web --whole
"$VMGUARD" verify --store "$store" web@3
step "done"

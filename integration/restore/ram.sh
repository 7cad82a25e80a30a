#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The whole of RAM, compared from outside: a guest restored as paused has in each page what the
# checkpoint has. And the checkpoint leaves vmguard as a stream that QEMU takes without it.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"

need_userfaultfd
need_kernel
KIND=linux
store=dir:$STORY/store

linux_args 96 threads=2
machine=(-M pc -m 256 -smp 2 "${LINUX_ARGS[@]}")
guest_start web "${machine[@]}"
wait_until 120 linux_reached web 2
snapshot web "$store"
guest_kill web

step "export"
"$VMGUARD" export --store "$store" web "$STORY/web.stream"
"$VMGUARD" export --store "$store" web@1 - | cmp - "$STORY/web.stream"

step "restore as paused, dump its memory"
restore web paused "$store" "${machine[@]}" -S
guest_is paused paused
qmp "$STORY/paused.look" '{"execute":"pmemsave",
	"arguments":{"val":0,"size":268435456,"filename":"'"$STORY"'/web.memory"}}' >/dev/null
python3 "$(dirname "$0")/compare.py" "$STORY/web.stream" "$STORY/web.memory"
qmp "$STORY/paused.look" '{"execute":"cont"}' >/dev/null
goes_on paused web 1
guest_kill paused

step "QEMU takes the exported stream without vmguard"
guest_start plain "${machine[@]}" -incoming "exec:cat $STORY/web.stream"
goes_on plain web 1
guest_kill plain

step "a QEMU that waits with -incoming defer"
guest_start waiting "${machine[@]}" -incoming defer
"$VMGUARD" restore --store "$store" web@1 --qmp "$STORY/waiting.qmp"
goes_on waiting web 1

step "a restored guest can be captured and restored again"
before=$(linux_last waiting)
"$VMGUARD" snapshot --qmp "$STORY/waiting.qmp" --store "$store" --name web
after=$(linux_last waiting)
guest_kill waiting
restore web@2 again "$store" "${machine[@]}"
linux_continues again "$before" "$after"
step "done"

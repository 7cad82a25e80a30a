#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the TAB key makes of a command line, in a bash and a zsh on a terminal, with what is
# installed: verbs, options, guests, checkpoints; and that nobody waits for those who do not answer.
# shellcheck source-path=SCRIPTDIR source=../lib/story.sh
. "$(dirname "$0")/../lib/story.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/vmguard.sh
. "$(dirname "$0")/../lib/vmguard.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/libvirt.sh
. "$(dirname "$0")/../lib/libvirt.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/daemon.sh
. "$(dirname "$0")/../lib/daemon.sh"

need_userfaultfd
need_libvirt
need zsh meson
here=$(realpath "$(dirname "$0")")
store=dir:$STORY/store
daemon_configure "$store"

# words WORD…: what the last of them could become, without what is said about it
words() {
	"$VMGUARD" complete "$@" | cut -f 1
}

offers_nothing() {
	[ -z "$("$VMGUARD" complete "$@" 2>"$STORY/said")" ] || fail "something is offered: $*"
}

# knows VERB OPTION: the verb takes it
knows() {
	! "$VMGUARD" "$1" "$2" x --help 2>&1 | grep -q 'unknown option'
}

# described VERB: the options that its help is about, not those that it mentions
described() {
	"$VMGUARD" "$1" --help | sed -nE -e 's/^  (--([^ ]| [^ ])*)  .*/\1/' \
		-e '/^(  )?--|^Usage:/p' |
		grep -oE -e '--[a-z][a-z-]+' || true
}

# typed SHELL…: what is in $STORY/cases, see keys.py
typed() {
	"$here/keys.py" "$*" "$STORY/setup.$1" <"$STORY/cases"
}

step "options are offered just where they are taken"
for verb in $("$VMGUARD" --help | sed -nE 's/^  ([a-z]+) .*/\1/p'); do
	words "$verb" -- >"$STORY/offered"
	[ -z "$(sort "$STORY/offered" | uniq -d)" ] || fail "$verb: twice"
	described "$verb" >"$STORY/described"
	while read -r option; do
		if knows "$verb" "$option"; then
			grep -qxe "$option" "$STORY/offered" || fail "$verb $option is not offered"
		else
			! grep -qxe "$option" "$STORY/offered" ||
				fail "$verb $option is offered, and unknown"
		fi
	done < <(sort -u "$STORY/offered" "$STORY/described")
done

step "what is installed"
DESTDIR=$STORY/root meson install -C "$BUILD" --no-rebuild --quiet --tags completion
bash_file=$(find "$STORY/root" -path '*/bash-completion/completions/vmguard')
zsh_file=$(find "$STORY/root" -path '*/zsh/site-functions/_vmguard')
[[ $bash_file && $zsh_file ]] || fail "not installed"
ln -s "$(realpath "$VMGUARD")" "$STORY/vmguard"

cat >"$STORY/setup.bash" <<SETUP
PS1='ready: ' PATH=$STORY:\$PATH
bind 'set show-all-if-ambiguous on' 'set enable-bracketed-paste off'
bind 'set completion-query-items 0' 'set page-completions off'
show() { printf 'shown:'; printf '<%s>' "\$@"; echo; }
. $bash_file
SETUP
cat >"$STORY/setup.zsh" <<SETUP
PS1='ready: ' PATH=$STORY:\$PATH LISTMAX=1000
unsetopt prompt_cr prompt_sp auto_remove_slash list_ambiguous
bindkey -e
fpath=(${zsh_file%/*} \$fpath)
autoload -Uz compinit
compinit -u -D
show() { printf 'shown:'; printf '<%s>' "\$@"; echo; }
SETUP

step "guests and checkpoints"
libvirt_up
LIBVIRT_DEFAULT_URI=$(host_uri libvirt)
export LIBVIRT_DEFAULT_URI
for name in web db; do
	DOMAIN_MIB=128 domain_start libvirt "$name" counter
	wait_until 60 counter_reached "$name" 1
done
"$VMGUARD" snapshot --domain db --store "$store"
daemon_start
protect web "connect=$LIBVIRT_DEFAULT_URI" interval=1h >/dev/null
wait_until 60 is_beyond web 0
"$VMGUARD" capture web
touch "$STORY/web key"

cat >"$STORY/cases" <<CASES
vmguard sta => <vmguard><status>
vmguard s =? snapshot snapshots status
vmguard nonsense w => <vmguard><nonsense><w>
vmguard status --w => <vmguard><status><--watch>
vmguard status => <vmguard><status>
vmguard status w => <vmguard><status><web>
vmguard status d => <vmguard><status><d>
vmguard events --guest w => <vmguard><events><--guest><web>
vmguard events --guest=w => <vmguard><events><--guest=web>
vmguard protect d => <vmguard><protect><db>
vmguard check --domain  =? db web
vmguard policy web --on-failure reb => <vmguard><policy><web><--on-failure><reboot>
vmguard policy web --set on-f => <vmguard><policy><web><--set><on-failure=>
vmguard policy web --set on-failure=m => <vmguard><policy><web><--set><on-failure=manual>
vmguard policy web --set=on-failure=m => <vmguard><policy><web><--set=on-failure=manual>
vmguard snapshots d => <vmguard><snapshots><db>
vmguard verify d =? db db@
vmguard verify db@ => <vmguard><verify><db@1>
vmguard info web@ =? @1 @2
vmguard info web@2 => <vmguard><info><web@2>
vmguard info --store $store --key-fil => <vmguard><info><--store><$store><--key-file>
vmguard info --store $store web@ =? @1 @2
vmguard info --store=$store db@ => <vmguard><info><--store=$store><db@1>
vmguard diff web@1 d => <vmguard><diff><web@1><db@>
vmguard snapshots --protect db@ => <vmguard><snapshots><--protect><db@1>
vmguard info --store d => <vmguard><info><--store><dir:>
vmguard info --store dir:$STORY/st =? state/ store/
vmguard info --store dir:$STORY/sto => <vmguard><info><--store><dir:$STORY/store/>
vmguard info --store=dir:$STORY/sto => <vmguard><info><--store=dir:$STORY/store/>
vmguard info --key-file $STORY/web\\ k => <vmguard><info><--key-file><$STORY/web key>
vmguard restore web --mode l => <vmguard><restore><web><--mode><lazy>
vmguard restore web -- shellchec => <vmguard><restore><web><--><shellcheck>
vmguard restore web -- qemu-system-x86_64 -kernel $STORY/vmguard.co => <vmguard><restore><web><--><qemu-system-x86_64><-kernel><$STORY/vmguard.conf>
CASES

step "bash"
typed bash --norc --noprofile -i

step "zsh"
typed zsh -f -i

step "an operation that is under way"
kill -STOP "$(process_pid web)"
"$VMGUARD" capture web --no-wait >"$STORY/said"
[ "$(words cancel "")" = "$(grep -oE '[0-9]+' "$STORY/said")" ] || fail "not offered: $(<"$STORY/said")"
kill -CONT "$(process_pid web)"

step "who does not answer is not waited for"
kill -STOP "$(process_pid daemon)"
before=$SECONDS
offers_nothing status ""
((SECONDS < before + 10)) || fail "it took $((SECONDS - before)) s"
kill -CONT "$(process_pid daemon)"
process_stop daemon
offers_nothing status ""
grep -q "is vmguardd running" "$STORY/said" || fail "why not? $(<"$STORY/said")"
offers_nothing info --store "dir:$STORY/nowhere" ""
offers_nothing check --connect "qemu+unix:///system?socket=$STORY/nowhere" --domain ""
step "done"

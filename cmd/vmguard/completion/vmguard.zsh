#compdef vmguard
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# zsh completion of vmguard(1). What could stand there is asked of vmguard itself: see
# complete.h for what it answers.

local line word about
local -a lines whole open

lines=("${(@f)$(${(Q)words[1]} complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")

case $lines[1] in
:files*)
	compset -p ${lines[1]#* }
	_files
	return
	;;
:commands*)
	_command_names -e
	return
	;;
esac

# as _describe takes them: colons of the word are escaped; those to be gone on with get no blank
for line in $lines; do
	word=${line%%$'\t'*}
	about=${${line#$word}#$'\t'}
	word=${word//:/\\:}${about:+:$about}
	if [[ ${line%%$'\t'*} == *[@:=] ]]; then
		open+=($word)
	else
		whole+=($word)
	fi
done
_describe -V vmguard whole -- open -S ''

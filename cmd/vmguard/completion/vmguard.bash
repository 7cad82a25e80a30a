# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bash completion of vmguard(1). What could stand there is asked of vmguard itself: see
# complete.h for what it answers.

_vmguard() {
	local rest=${COMP_LINE:0:COMP_POINT} words=() lines=() breaks begun i

	# bash splits words at "=", ":" and "@"; here they are whole, the last one up to the cursor
	for ((i = 0; i <= COMP_CWORD; i++)); do
		if ((!i)) || [[ $rest == [[:space:]]* ]]; then
			words+=("")
			rest=${rest#"${rest%%[![:space:]]*}"}
		fi
		((i < COMP_CWORD)) || break
		words[-1]+=${COMP_WORDS[i]}
		rest=${rest#"${COMP_WORDS[i]}"}
	done
	words[-1]+=$rest
	words=("${words[@]//[\\\"\']/}")
	begun=${words[-1]}

	COMPREPLY=()
	mapfile -t lines < <("$1" complete "${words[@]:1}" 2>/dev/null)
	((${#lines[@]})) || return 0
	if [[ ${lines[0]} == :* ]]; then
		_vmguard_names "${lines[0]}" "$begun"
	else
		COMPREPLY=("${lines[@]%%$'\t'*}")
		compopt -o nosort
		[[ ${#lines[@]} -gt 1 || ${COMPREPLY[0]} != *[@:=] ]] || compopt -o nospace
	fi

	# what stands before the last place where bash splits stays as it is, but for an "@" there
	breaks=${COMP_WORDBREAKS//[^@:=]/}
	if [[ $breaks && $begun == *["$breaks"]* ]]; then
		begun=${begun%"${begun##*["$breaks"]}"}
		begun=${begun%@}
		COMPREPLY=("${COMPREPLY[@]#"$begun"}")
	fi
}

# ":files 4" or ":commands 0": these begin at that character of the word
_vmguard_names() {
	local what at
	read -r what at <<<"$1"
	case $what in
	:files) what=-f ;;
	:commands) what=-c ;;
	*) return ;;
	esac
	mapfile -t COMPREPLY < <(compgen "$what" -- "${2:at}")
	COMPREPLY=("${COMPREPLY[@]/#/"${2:0:at}"}")
	compopt -o filenames
}

complete -F _vmguard vmguard

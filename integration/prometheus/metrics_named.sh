#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every metric that the dashboard and the alerts name is one of metrics.list:
#
#	metrics_named.sh         they alone
#	metrics_named.sh FILE    and /metrics of a daemon, FILE, has those of the list and no others
set -euo pipefail

bad=0

# complain TEXT: for each line on standard input
complain() {
	local line
	while read -r line; do
		echo "$line: $1"
		bad=1
	done
}

listed() {
	grep -v '^#' metrics.list | sort
}

# Names as queries have them; a histogram has three.
queryable() {
	listed | sed 's/^\(.*\) histogram$/\1_bucket\n\1_sum\n\1_count/; s/ .*//' | sort
}

named() {
	grep -ohE '\bvmguard_\w+' dashboard.json alerts.yaml | sort -u
}

described() {
	sed -n 's/^# TYPE //p' "$1" | sort
}

file=${1:+$(realpath "$1")}
cd "$(dirname "$0")"
complain "the dashboard or an alert asks for it, metrics.list does not have it" \
	< <(comm -13 <(queryable) <(named))
if [ "$file" ]; then
	complain "metrics.list has it, the daemon does not" < <(comm -23 <(listed) <(described "$file"))
	complain "the daemon has it, metrics.list does not" < <(comm -13 <(listed) <(described "$file"))
fi
exit $bad

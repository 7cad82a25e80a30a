#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The alerts are raised when they should be, promtool can read every query of the dashboard, and
# none names a metric that vmguardd does not have.
set -euo pipefail
cd "$(dirname "$0")"

command -v promtool >/dev/null || {
	echo "promtool is not installed: integration/fetch.sh promtool"
	exit 77
}

promtool check rules alerts.yaml
promtool test rules alerts_test.yaml

# Queries as rules, which promtool checks, with what Grafana would put in for its variables.
queries=$(mktemp)
trap 'rm -f "$queries"' EXIT
python3 - dashboard.json >"$queries" <<'PYTHON'
import json
import sys

panels = json.load(open(sys.argv[1], encoding="utf-8"))["panels"]
assert len({panel["id"] for panel in panels}) == len(panels), "two panels have the same id"
exprs = [target["expr"].replace("$__rate_interval", "5m")
         for panel in panels for target in panel.get("targets", [])]
rules = [{"record": f"query:{number}", "expr": expr} for number, expr in enumerate(exprs)]
json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)
PYTHON
promtool check rules "$queries"

./metrics_named.sh

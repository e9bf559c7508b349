#!/usr/bin/env bash
# make bench: figures against a named baseline measured in the same run. Nothing here passes or fails.
. "$(dirname "$0")/../e2e/lib.sh"
"$B/tests/bench/journal"
"$ROOT/tests/bench/record.py" "$B/ceremony-media" "$T/record"
bundle=$(rehearsed_bundle)
trust=$(trust_of "$bundle")

# seconds COMMAND…: the median wall time of five runs.
seconds () {
  for _ in 1 2 3 4 5; do
    local begin=$EPOCHREALTIME
    "$@" >/dev/null 2>&1
    echo "$begin $EPOCHREALTIME"
  done | awk '{ print $2 - $1 }' | sort -n | sed -n 3p
}
ratio () { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }

v=$(seconds ceremony verify --no-video --trust "$trust" "$bundle") s=$(seconds sha256sum "$bundle")
echo "verify without pictures: $v s; sha256sum of the same file: $s s; ratio $(ratio "$v" "$s")"
"$(dirname "$0")/scan.sh"

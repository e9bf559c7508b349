#!/usr/bin/env bash
# kill -9 at the commit of each type of event, before and after, then resume: the bundle verifies, and shows the interruption.
# KILL_ALL=1 kills at every single event instead, which takes some minutes.
. "$(dirname "$0")/lib.sh"
reference=$(rehearsed_bundle) || bail "no rehearsal to learn the events from"
unzip -p "$reference" journal/events.jsonl >"$T/events"
types=$(grep -o '"type":"[a-z.]*"}$' "$T/events" | cut -d'"' -f4 | sort -u)
preload=$B/tests/lib/kill-at.so

# one DIR VARIABLES…: a rehearsal that is killed, and goes on. Prints "ok", or what went wrong.
one () {
  local dir=$1; shift
  mkdir -p "$dir"
  env "$@" LD_PRELOAD="$preload" ceremony rehearse --unattended --fast --home "$dir" </dev/null >"$dir/log1" 2>&1
  local status=$?
  [ $status -eq 137 ] || { echo "it wasn't killed (exit status $status): $(tail -2 "$dir/log1")"; return; }
  # The last events leave nothing to resume but the evidence; the first one may leave nothing at all.
  ceremony rehearse --unattended --fast --home "$dir" </dev/null >"$dir/log2" 2>&1 || { echo "no resume: $(tail -3 "$dir/log2")"; return; }
  local bundle
  bundle=$(ls "$dir"/ceremonies/*/20*.asice 2>/dev/null | tail -1)
  [ -n "$bundle" ] || { echo "no bundle: $(tail -3 "$dir/log2")"; return; }
  ceremony verify --json --trust "$dir/trust" "$bundle" >"$dir/verdict" 2>"$dir/verify.log"
  python3 - "$dir/verdict" "$bundle" "$@" <<'PY'
import json, sys, zipfile
v = json.load(open(sys.argv[1]))
v = v[0] if isinstance(v, list) else v
lines = zipfile.ZipFile(sys.argv[2]).read("journal/events.jsonl").decode().splitlines()
events = [json.loads(line) for line in lines]
failed = [c["id"] + ": " + c["reason"] for c in v["checks"] if c["result"] == "fail" and c["id"] != "rehearsal"]
resumed = [e for e in events if e["type"] == "ceremony.resumed"]
# Killed after its last event a journal is whole: only the evidence was missing.
closing_only = "ceremony.closed" in " ".join(sys.argv[3:]) and "after" in " ".join(sys.argv[3:]) or "KILL_AT_NTH=%d" % len(events) in sys.argv[3:4]
fresh = len(events) and "ceremony.opened" in " ".join(sys.argv[3:]) and "before" in " ".join(sys.argv[3:])
if not v["genuine"]:
    print("it doesn't verify: " + "; ".join(failed))
elif not resumed and not closing_only and not fresh:
    print("the interruption doesn't show in the journal")
elif resumed and resumed[0]["data"]["gap_ms"] < 0:
    print("the gap is negative")
else:
    print("ok")
PY
}
export -f one
export B preload

if [ -n "${KILL_ALL:-}" ]; then
  seq 1 "$(wc -l <"$T/events")" | sed 's/.*/KILL_AT_NTH=& KILL_WHEN=after/' >"$T/cases"
else
  for type in $types; do
    # These two come only where the reference was resumed, or the machine was busy: another run never reaches them.
    case $type in ceremony.resumed | frames.dropped) continue ;; esac
    echo "KILL_AT_TYPE=$type KILL_WHEN=after"
  done >"$T/cases"
  # What changes the token, and the way to the closing, also just before the commit; recurring ones somewhere in the middle.
  for type in ceremony.opened key.generating key.generated key.using key.used possession.proved request.made recording.closing track.closed ceremony.closed; do
    echo "KILL_AT_TYPE=$type KILL_WHEN=before"
  done >>"$T/cases"
  echo "KILL_AT_TYPE=video.chunk KILL_AT_NTH=3 KILL_WHEN=after" >>"$T/cases"
  echo "KILL_AT_TYPE=track.closed KILL_AT_NTH=2 KILL_WHEN=after" >>"$T/cases"
fi
plan "$(wc -l <"$T/cases")"
nl -w1 -s' ' "$T/cases" | xargs -P "${KILL_JOBS:-4}" -L1 bash -c 'n=$1; shift; one "$0/$n" "$@" >"$0/$n.result" 2>&1; rm -rf "$0/$n/ceremonies"/*/video "$0/$n/ceremonies"/*/*.asice' "$T"
while read -r case; do
  n=$((n + 1))
  result=$(tail -1 "$T/$n.result")
  echo "$result" >"$T/out"
  if [ "$result" = ok ]; then passed "$case"; else failed "$case"; fi
done <"$T/cases"

#!/usr/bin/env bash
# A ceremony is killed while it records, its video is cut in the folder (as a disk may do it that lost power), and it goes on: what was journaled and isn't there
# any more is told from where to where; what was there and not journaled is recovered.
. "$(dirname "$0")/lib.sh"
preload=$B/tests/lib/kill-at.so

# one NAME SQL: killed after its third video chunk; the video is cut to the length that the query over the chunks gives; then it goes on and is verified.
one () {
  local dir=$T/$1
  mkdir -p "$dir"
  KILL_AT_TYPE=video.chunk KILL_AT_NTH=3 KILL_WHEN=after LD_PRELOAD=$preload ceremony rehearse --unattended --fast --home "$dir" </dev/null >"$dir/log1" 2>&1
  [ $? -eq 137 ] || { echo "it wasn't killed"; return 1; }
  local video journal length
  video=$(ls "$dir"/ceremonies/*/video/0001.mkv) journal=$(ls "$dir"/ceremonies/*/journal.db)
  # The recorder ends by itself when its ceremony is gone.
  flock -w 60 "$(dirname "$journal")/recorder.lock" true || return 1
  python3 - "$journal" >"$dir/chunks" <<'PY'
import json, sqlite3, sys
for (line,) in sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True).execute("select line from events order by seq"):
    e = json.loads(line)
    if e["type"] == "video.chunk":
        print(e["data"]["offset"] + e["data"]["length"])
PY
  length=$(sed -n "${2}p" "$dir/chunks")
  [ -n "$length" ] && truncate -s "$((length + $3))" "$video" || return 1
  ceremony rehearse --unattended --fast --home "$dir" </dev/null >"$dir/log2" 2>&1 || { tail -3 "$dir/log2"; return 1; }
  ceremony verify --json --trust "$dir/trust" "$dir"/ceremonies/*/20*.asice >"$dir/verdict"
  [ -s "$dir/verdict" ]
}
reason () { python3 -c 'import json,sys; c = {c["id"]: c for c in json.load(open(sys.argv[1]))["checks"]}[sys.argv[2]]; print(c["result"], c["reason"])' "$T/$1/verdict" "$2"; }
# Nothing speaks against what was recorded but the frames that a busy machine drops; what does is printed.
genuine () {
  python3 -c 'import json,sys; v = json.load(open(sys.argv[1])); f = [c["id"] + ": " + c["reason"] for c in v["checks"] if c["result"] == "fail" and c["id"] != "rehearsal"]; print("\n".join(f)); sys.exit(len(f) > 0 or not v["genuine"])' \
    "$T/$1/verdict"
}

plan 10
one short 3 -100 >"$T/short.log" 2>&1 & one exact 3 0 >"$T/exact.log" 2>&1 & one more 3 1 >"$T/more.log" 2>&1 &
wait
for name in short exact more; do ok "$name: cut, and gone on with" test -s "$T/$name/verdict"; done
not_ok "what was lost isn't passed over" genuine short
third=$(sed -n 3p "$T/short/chunks") second=$(sed -n 2p "$T/short/chunks") last=$(tail -1 "$T/short/chunks")
ok "the loss is told" reason short tracks.chunks
says "^fail .*video/0001.mkv is whole up to byte $second, and ends at $((third - 100)) .*bytes $second to $last, from 0:0[0-9.]+ to 0:0[0-9.]+ of part 1, are missing" "by part, bytes and time"
ok "cut where the journal ends, it is a genuine rehearsal" genuine exact
ok "with a byte more too" genuine more
ok "and that byte" reason more tracks.chunks
says "^pass .*recovered" "was recovered"

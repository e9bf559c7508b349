#!/usr/bin/env bash
# What goes wrong with the machine: a full disk, a recorder that dies, hangs or starves, a machine that sleeps, a clock that is set. Nothing recorded so far is lost, and what comes out at last is genuine.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/keys.sh"


parts () { sqlite3 -readonly "$(journal_of "$1")" "select count(*) from events where line like '%\"type\":\"recording.started\"}'"; }

# unattended DIR: in the background, slow enough to be met in the middle.
unattended () { mkdir -p "$1"; ceremony rehearse --unattended --fast --home "$1" </dev/null >"$1/log" 2>&1 & PROGRAM=$!; }
strike () { kill "-$1" "$(pgrep -P "$PROGRAM" ceremony-media)"; }

killed () {
  unattended "$S"
  ok "the recorder is at work" await_event "$S" consent.given
  ok "it is killed" strike KILL
  ok "the ceremony goes on to its end" wait "$PROGRAM"
  ok "the journal says that it failed" event "$S" '"type":"recorder.failed"'
  ok "a second part was begun" test "$(parts "$S")" = 2
  ok "the bundle is genuine" genuine "$S"
}

# Stopped: it neither dies nor speaks. After ten seconds it is given up, and a new one begins. (tests/unit/test-run-faults.c does it with a shorter patience.)
hangs () {
  unattended "$S"
  ok "the recorder is at work" await_event "$S" person.identified
  ok "it is stopped" strike STOP
  ok "the ceremony goes on to its end" wait "$PROGRAM"
  ok "the journal says why" event "$S" 'said nothing.*"type":"recorder.failed"'
  ok "a second part was begun" test "$(parts "$S")" = 2
  ok "the bundle is genuine" genuine "$S"
}

# tells_of DIR CHECK PATTERN: verify says so under that check.
tells_of () {
  genuine "$1" || return 1
  python3 -c 'import json,re,sys
v = json.load(open(sys.argv[1])); v = v[0] if isinstance(v, list) else v
c = [c for c in v["checks"] if c["id"] == sys.argv[2]][0]; print(c["result"], c["reason"])
sys.exit(0 if re.search(sys.argv[3], c["result"] + " " + c["reason"]) else 1)' "$1/verdict" "$2" "$3"
}
# with_clocks DIR: as unattended, on clocks that the test sets: clocks DIR BOOT_MS WALL_MS, how far they stand ahead.
# (The recorder is started with a cleaned environment.)
with_clocks () {
  clocks "$1" 0 0
  printf '#!/bin/sh\nexec env TEST_CLOCKS=%s LD_PRELOAD=%s %s "$@"\n' "$1/clocks" "$B/tests/lib/clocks.so" "$CEREMONY_MEDIA" >"$1/media"
  chmod +x "$1/media"
  CEREMONY_MEDIA=$1/media TEST_CLOCKS=$1/clocks LD_PRELOAD=$B/tests/lib/clocks.so unattended "$1"
}
later () { TEST_CLOCKS=$S/clocks LD_PRELOAD=$B/tests/lib/clocks.so "$@"; }
clocks () { mkdir -p "$1"; echo "$2 $3" >"$1/clocks.new"; mv "$1/clocks.new" "$1/clocks"; }

# Suspended for an hour: boot clock and wall clock went on, the monotonic clock and the recording didn't.
slept () {
  with_clocks "$S"
  ok "in the middle" await_event "$S" person.identified
  clocks "$S" 3600000 3600000
  ok "the ceremony goes on to its end" wait "$PROGRAM"
  ok "the journal says that the machine slept, for how long" event "$S" '"ms":36000[0-9][0-9].*"type":"machine.slept"'
  ok "by the same recorder" test "$(parts "$S")" = 1
  ok "the bundle is genuine, and says between which seconds of the video" later tells_of "$S" tracks.clock '^warn.*slept for 36.*within part 1, [0-9.]+ s to [0-9.]+ s .bytes'
}

# The wall clock is set by five seconds.
stepped () {
  with_clocks "$S"
  ok "in the middle" await_event "$S" consent.given
  clocks "$S" 0 5000
  ok "the ceremony goes on to its end" wait "$PROGRAM"
  ok "the journal says so" event "$S" '"drift_ms":(4[5-9]|5[0-4])[0-9][0-9].*"type":"clock.stepped"'
  ok "the bundle is genuine, and says so" tells_of "$S" journal.clock '^warn.*stepped by'
  ok "the video's time is still the machine's" tells_of "$S" tracks.clock '^pass'
}

# Too slow: the recorder is held again and again. Frames drop, and are counted; the journal goes on.
starved () {
  unattended "$S"
  ok "the recorder is at work" await_event "$S" recording.started
  local recorder before after n=0
  recorder=$(pgrep -P "$PROGRAM" ceremony-media)
  while kill -STOP "$recorder" 2>/dev/null; do
    before=$(sqlite3 -readonly "$(journal_of "$S")" "select count(*) from events" 2>/dev/null)
    sleep 0.7
    after=$(sqlite3 -readonly "$(journal_of "$S")" "select count(*) from events" 2>/dev/null)
    [ "${after:-0}" -gt "${before:-0}" ] && n=$((n + 1))
    kill -CONT "$recorder" 2>/dev/null
    sleep 0.5
  done
  ok "the ceremony goes on to its end" wait "$PROGRAM"
  ok "the journal grew while the recorder was held" test "$n" -ge 1
  ok "dropped frames are told" event "$S" '"type":"frames.dropped"'
  ceremony verify --json --trust "$S/trust" "$S"/ceremonies/*/20*.asice >"$S/verdict" 2>/dev/null
  ok "verify says how many, where, and nothing else is wrong" python3 -c 'import json,re,sys
v = json.load(open(sys.argv[1])); v = v[0] if isinstance(v, list) else v
bad = [c for c in v["checks"] if c["result"] == "fail" and c["id"] != "rehearsal"]; print(bad)
sys.exit(0 if [c["id"] for c in bad] == ["tracks.drops"] and re.match(r"[0-9]+ of [0-9]+ frames were dropped.*in part 1, [0-9.]+ s to [0-9.]+ s .bytes", bad[0]["reason"]) else 1)' "$S/verdict"
}

# The operator's end: SIGHUP as by a closed terminal, in the middle of everything; no recorder stays behind.
hangup () {
  unattended "$S"
  ok "in the middle" await_event "$S" challenge.given
  local recorder
  recorder=$(pgrep -P "$PROGRAM" ceremony-media)
  kill -HUP "$PROGRAM"
  not_ok "it ends as interrupted" wait "$PROGRAM"
  ok "and says how to go on" grep -q 'nothing recorded so far is lost. Go on with' "$S/log"
  not_ok "no recorder stays behind" kill -0 "$recorder"
  ok "its last part was closed in order" event "$S" '"type":"track.closed"'
  ok "it goes on to its end" resumes "$S"
  ok "the bundle is genuine" genuine "$S"
}

# In a mount namespace of its own: a small disk, by keys.
on_small_disk () {
  S=$1 T=$1
  mount -t tmpfs -o size=215m none "$S" || return 77
  ok "it starts" start "$S" 80 24
  ok "on to the clock" until_seen "$S" 'watch or telephone'
  dd if=/dev/zero of="$S/filler" bs=64k 2>/dev/null
  dd if=/dev/zero of="$S/filler2" bs=512 2>/dev/null
  ok "the disk is full: told, with what to do" tells '[Nn]o space|[Ff]ull|[Mm]ake room'
  ok "it waits for room, or stands still with the way on" until_seen "$S" 'Try to record again|exit status'
  rm -f "$S/filler" "$S/filler2"
  pane | grep -q 'exit status' || { keys Home; keys Down; keys Enter; }
  ok "stopped" tells 'exit status [13]'
  ok "and says that nothing is lost, and how to go on" tells 'nothing recorded.* is lost.*ceremony (rehearse|resume)'
  ok "with room again it goes on to its end" resumes "$S"
  ok "the bundle is genuine" genuine "$S"
  ok "and shows the interruption" event "$S" '"type":"ceremony.resumed"'
  tm kill-server 2>/dev/null
  true
}
full () {
  if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then echo "ok 1 - # SKIP a small disk can only be mounted by root"; return; fi
  export -f $(declare -F | cut -d" " -f3); export session B
  unshare -m bash -c 'n=0; on_small_disk "$1"' full "$S"
}

scenario killed
scenario slept
scenario stepped
scenario starved
[ "${CEREMONY_SLOW:-}" ] && scenario hangs
scenario hangup
scenario full
scenarios_end

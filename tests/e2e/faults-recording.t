#!/usr/bin/env bash
# What goes wrong with the machine: a full disk, a recorder that dies or hangs. Nothing recorded so far is lost, and what comes out at last is genuine.
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

# Stopped: it neither dies nor speaks. After ten seconds it is given up, and a new one begins.
hangs () {
  unattended "$S"
  ok "the recorder is at work" await_event "$S" person.identified
  ok "it is stopped" strike STOP
  ok "the ceremony goes on to its end" wait "$PROGRAM"
  ok "the journal says why" event "$S" 'said nothing.*"type":"recorder.failed"'
  ok "a second part was begun" test "$(parts "$S")" = 2
  ok "the bundle is genuine" genuine "$S"
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
scenario hangs
scenario hangup
scenario full
scenarios_end

#!/usr/bin/env bash
# ceremony play: what each player is really started with, a step in a later part, a step without video, and the terminal's recording on a terminal.
. "$(dirname "$0")/lib.sh"
bundle=$(rehearsed_bundle) || bail "no rehearsal to play"
trap 'rm -rf "$T"; [ -z "${xvfb:-}" ] || kill "$xvfb" 2>/dev/null' EXIT
export TMPDIR=$T
plan 34

# Players that only say how they were called, and whether their files are there.
mkdir -p "$T/fake" "$T/only" "$T/none"
for p in mpv vlc ffplay gst-play-1.0; do
  printf '#!/bin/sh\necho "$(basename "$0") $*"\nfor a; do case $a in *.mkv) [ -s "$a" ] || echo "missing $a";; esac; done\nexit ${FAKE_STATUS:-0}\n' >"$T/fake/$p"
  chmod +x "$T/fake/$p"
done
fake () { PATH=$T/fake:$PATH DISPLAY=:77 ceremony play "$@"; }
left () { ls -d "$T"/ceremony-play-* 2>/dev/null | wc -l; }

# The step's time, as --print tells it.
ok "the parts and the moment are printed" ceremony play "$bundle" --step liveness --print
says '^begin: part 1 at [0-9]+\.[0-9]{3} s$' "as a line"
at=$(sed -n 's/^begin: part 1 at \(.*\) s$/\1/p' "$T/out") copied=$(head -1 "$T/out")
ok "what was copied out is the part" cmp "$copied" <(unzip -p "$bundle" video/0001.mkv)
rm -rf "$T"/ceremony-play-*
ok "mpv" fake "$bundle" --step liveness
says "^mpv --force-window=yes --\{ --start=$at /.*/0001.mkv --\}$" "is given the time of the first file alone"
ok "ffplay" fake "$bundle" --step liveness --player ffplay
says "^ffplay -loglevel error -autoexit -ss $at /.*/0001.mkv$" "is given time and file"
ok "vlc" fake "$bundle" --from 0:01.5 --player vlc
says "^vlc --play-and-exit /.*/0001.mkv :start-time=1.500$" "is given the time behind the file"
ok "a GStreamer window" fake "$bundle" --player gst-play-1.0
says "^gst-play-1.0 --quiet --start-position=0.000 /.*/0001.mkv$" "is given time and file"
FAKE_STATUS=3 exits 1 "a player that fails" fake "$bundle"
says 'mpv ended with status 3: try another' "is told"
ok "nothing is left behind" test "$(left)" = 0
exits 1 "no player" env PATH="$T/none" DISPLAY=:77 "$B/ceremony" play "$bundle"
says 'apt-get install mpv' "how to get one is said"
exits 1 "no display" env PATH="$T/fake:$PATH" "$B/ceremony" play "$bundle"
says 'there is no display here: .*--viewing' "and what to do without"
exits 1 "a step that was skipped" fake "$bundle" --step unplug
says 'was skipped .*nothing to see' "says so"
exits 2 "a step that isn't there" fake "$bundle" --step nowhere
exits 2 "a time that is none" fake "$bundle" --from soon
ceremony clip "$bundle" --step opening -o "$T/step.clip" >/dev/null
ok "a clip is played too" fake "$T/step.clip"

# A ceremony in two parts: killed and gone on with.
two=$T/two
mkdir -p "$two"
KILL_AT_TYPE=token.unlocked LD_PRELOAD=$B/tests/lib/kill-at.so ceremony rehearse --unattended --fast --home "$two" </dev/null >"$two/log" 2>&1
ceremony rehearse --unattended --fast --home "$two" </dev/null >>"$two/log" 2>&1
parted=$(ls "$two"/ceremonies/*/20*.asice)
ok "a step in the second part" fake "$parted" --step liveness
says '^mpv --force-window=yes --\{ --start=[0-9.]+ /[^ ]*/0002.mkv --\}$' "begins in that part"
ok "from the beginning, one after the other" fake "$parted" --player ffplay
cp "$T/out" "$T/both"
ok "both" test "$(grep -c '^ffplay .* -ss 0.000 .*/000[12].mkv$' "$T/both")" = 2

# Really, in a window that nobody sees.
n=$((n + 1))
if command -v Xvfb >/dev/null && command -v ffplay >/dev/null; then
  Xvfb -displayfd 3 -screen 0 800x600x24 3>"$T/display" >/dev/null 2>&1 & xvfb=$!
  for i in $(seq 300); do [ -s "$T/display" ] && break; sleep 0.1; done
  if DISPLAY=:$(cat "$T/display") SDL_AUDIODRIVER=dummy timeout 100 ceremony play "$bundle" --player ffplay --from 0:02.5 >"$T/out" 2>&1; then passed "ffplay plays it"; else failed "ffplay plays it"; fi
else
  echo "ok $n - ffplay plays it # SKIP ffplay or Xvfb isn't installed"
fi

# The terminal's recording.
ok "as text" bash -c 'ceremony play --terminal "$1" >"$2"' - "$bundle" "$T/text"
ok "holds what was shown" grep -qa "Challenge beside token" "$T/text"
harmless () { python3 - "$1" <<'PY'
import re, sys
data = open(sys.argv[1], "rb").read().decode()
rest = re.sub(r"\033\[(\??[0-9;:]*)[A-HJ-MPSTXZ@`abdefmrsuhIl]|\033[()][0B]|\033[78DEM]", "", data)
assert not re.search(r"[\x00-\x07\x0b\x0c\x10-\x1f\x7f-\x9f]", rest), ascii(re.search(r".{20}[\x00-\x07\x0b\x0c\x10-\x1f\x7f-\x9f].{20}", rest))
PY
}
ok "and nothing but text and harmless sequences" harmless "$T/text"
tmux=(tmux -L "replay$$" -f /dev/null)
if command -v tmux >/dev/null; then
  "${tmux[@]}" new-session -d -x 130 -y 40 "ceremony play --terminal '$bundle' --step liveness --speed 0.25; echo ended; sleep 100"
  seen= ended=
  for i in $(seq 300); do
    "${tmux[@]}" capture-pane -p >"$T/out"
    [ -z "$seen" ] && grep -q "Step [0-9]* of " "$T/out" && { seen=yes; "${tmux[@]}" send-keys Left ' ' q; }
    grep -q "^ended" "$T/out" && { ended=yes; break; }
    sleep 0.1
  done
  n=$((n + 1)); if [ -n "$seen" ]; then passed "on a terminal, from a step on"; else failed "on a terminal, from a step on"; fi
  n=$((n + 1)); if [ -n "$ended" ]; then passed "and q ends it"; else failed "and q ends it"; fi
  "${tmux[@]}" new-session -d -s small -x 40 -y 10 "ceremony play --terminal '$bundle'; sleep 100"
  for i in $(seq 300); do "${tmux[@]}" capture-pane -t small -p >"$T/out"; grep -q "this terminal has" "$T/out" && break; sleep 0.1; done
  says 'this terminal has' "a terminal that is too small is told"
  "${tmux[@]}" kill-server
else
  for name in "on a terminal" "q ends it" "a terminal that is too small"; do n=$((n + 1)); echo "ok $n - $name # SKIP tmux isn't installed"; done
fi

#!/usr/bin/env bash
# What people see of the cameras: the sign of life taken out of a bundle, several cameras in one picture, what a camera sees, the picture
# for a video call.
. "$(dirname "$0")/lib.sh"
bundle=$(rehearsed_bundle)
ok "the sign of life" ceremony extract "$bundle" -d "$T/alive" --liveness
says 'The challenge: +([A-Za-z]+ ){7}[A-Za-z]+' "its words are told"
words=$(sed -n 's/^The challenge: *//p' "$T/out")
ok "and stand in its page" grep -qF "<p class=\"words\">$words</p>" "$T/alive/index.html"
ok "a page without scripts, nor anything from elsewhere" sh -c '! grep -iE "<script|https?:" "$1"' sh "$T/alive/index.html"
pictured () { [ "$(grep -c '<img src=' "$T/alive/index.html")" -ge 1 ] && for f in "$T"/alive/*.png; do ffprobe -v error "$f" || return 1; done; }
ok "with pictures" pictured
# The frame around the large camera is one light grey; the terminal there is dark.
marked () { for f in "$T"/alive/*.png; do
  [ "$(ffmpeg -v error -i "$f" -vf crop=200:2:100:501,scale=1:1,format=gray -f rawvideo - </dev/null | od -An -tu1)" -gt 150 ] && return 0; done; return 1; }
ok "in one of them the camera is large" marked
heard () { ffmpeg -i "$T/alive/sound.wav" -af volumedetect -f null - </dev/null 2>&1 | grep -E 'max_volume: -[0-9]{1,2}\.'; }
ok "and sound that can be heard" heard
exits 2 "a folder that isn't empty is left alone" ceremony extract "$bundle" -d "$T/alive" --liveness

exits 2 "a bundle's order has no sign of life" ceremony extract "$(dirname "$(dirname "$(dirname "$bundle")")")/rehearsal/order.asice" -d "$T/none" --liveness
two=$(rehearse "$T/two" --camera test --camera test)
ok "a rehearsal with two cameras" [ -e "$two" ]
ceremony verify --trust "$(trust_of "$two")" --json "$two" >"$T/out" 2>&1
says '"genuine":true' "is genuine"
named () { unzip -p "$two" journal/events.jsonl | grep '"recording.started"' | grep -q '"cameras":\[{"kind":"test","name":"test"},{"kind":"test","name":"test"}\]'; }
ok "and its journal names both" named

exits 0 "the list of cameras" ceremony cameras --json
says '^\[' "is JSON"
exits 1 "a camera that nobody has" ceremony rehearse --unattended --fast --home "$T/none-such" --camera 'no camera has this name'
says "no camera has that name" "is told, and which there are"
exits 1 "four cameras" ceremony rehearse --unattended --fast --home "$T/four" --camera test --camera test --camera test --camera test
says 'room for 3 cameras' "are too many"
exits 2 "a picture of another size" ceremony rehearse --unattended --fast --home "$T/size" --picture 100x100@5
says '--picture 100x100@5: it must be' "is refused"
exits 1 "a window without a display" ceremony rehearse --unattended --fast --home "$T/window" --window
says 'there is no display here' "is refused before anything is recorded"
exits 1 "a virtual camera that isn't there" ceremony rehearse --unattended --fast --home "$T/virtual" --virtual-camera /dev/video-none
says 'modprobe v4l2loopback' "is refused, and how to get one told"

# What isn't a v4l2 device ends its own process; the rehearsal goes on, and is genuine.
large=$(rehearse "$T/large" --picture 1080p --virtual-camera /dev/null)
ceremony verify --trust "$(trust_of "$large")" --json "$large" >"$T/out" 2>&1
says '"id":"pictures.codes","reason":"[^"]*","result":"pass"' "a rehearsal of 1920x1080, whose virtual camera fails: its codes are read"

# The terminal's preview, where there is a terminal.
tmux () { command tmux -L "camera-$$" -f /dev/null "$@"; }
pane () { tmux capture-pane -p -t p >"$T/out"; }
shows () { for _ in $(seq 300); do pane; grep -qE -e "$1" "$T/out" && return 0; sleep 0.1; done; return 1; }
tmux new-session -d -s p -x 60 -y 20 "env COLORTERM=truecolor ceremony cameras --preview test test; echo done \$?; sleep 60"
ok "the preview draws half blocks" shows '^▀{60}$'
tmux send-keys -t p n
ok "n shows the next camera" shows 'Camera 2 of 2'
tmux send-keys -t p q
ok "q ends it" shows 'done 0'
tmux kill-server 2>/dev/null

# A window, which goes away in the middle.
if command -v Xvfb >/dev/null && gst-inspect-1.0 ximagesink >/dev/null 2>&1; then
  Xvfb -displayfd 8 -noreset -screen 0 1300x800x24 8>"$T/display" >/dev/null 2>&1 & x=$!
  for _ in $(seq 100); do [ -s "$T/display" ] && break; sleep 0.1; done
  mkdir "$T/shared"
  # The middle of the camera's pane, where the test picture's bars are.
  cat >"$T/seen" <<EOF
for i in \$(seq 100); do
  ffmpeg -v error -y -f x11grab -video_size 1280x720 -i :$(cat "$T/display") -vf crop=300:150:940:60,scale=1:1:flags=area,format=gray -frames:v 1 -f rawvideo $T/grey </dev/null
  [ "\$(od -An -tu1 $T/grey)" -gt 40 ] && { touch $T/seen.it; break; }
  sleep 0.1
done
kill $x
EOF
  { echo "{\"cmd\":\"start\",\"dir\":\"$T/shared\",\"part\":1,\"width\":1280,\"height\":720,\"fps\":15,\"cols\":80,\"rows\":24,\"camera\":\"test\",\"audio\":\"none\",\"ceremony\":\"a\",\"origin\":\"a\",\"window\":true}"
    echo 'wait started'; echo "run sh $T/seen"; echo 'wait share_ended'; echo 'wait chunk 4'; echo '{"cmd":"stop"}'; echo 'expect-exit'; } |
    DISPLAY=:$(cat "$T/display") "$ROOT/tests/e2e/recorder-driver" "$CEREMONY_MEDIA" "$T/shared.log" >"$T/out" 2>&1
  n=$((n + 1)); if [ -e "$T/seen.it" ]; then passed "the window shows the picture"; else failed "the window shows the picture"; fi
  says '"to":"window"' "the display's end is told"
  says '"exit": 0' "and the recording goes on to its own end"
else
  for what in 1 2 3; do n=$((n + 1)); echo "ok $n - a window # SKIP no Xvfb, or no ximagesink"; done
fi
plan "$n"

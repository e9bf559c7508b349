#!/usr/bin/env bash
# What people see of the cameras: the sign of life taken out of a bundle, several cameras in one picture.
. "$(dirname "$0")/lib.sh"
plan 12
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

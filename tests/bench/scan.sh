#!/usr/bin/env bash
# How fast the scanner reads: our own recording of ten minutes (made by the recorder's own composer, encoder and muxer, from the screens of a rehearsal), what foreign
# recordings make of it, and what the sandbox and a process's start cost. Processor time stands beside wall time: on a busy machine only the first means anything.
. "$(dirname "$0")/../e2e/lib.sh"
bundle=$(rehearsed_bundle)
mkdir "$T/x" && unzip -q -d "$T/x" "$bundle" 'terminal/*'
cast=$(ls "$T"/x/terminal/*.cast | head -1)
own=${OWN:-600} foreign=${FOREIGN:-120}
"$B/tests/bench/media-video" "$T/own.mkv" $own "$cast" 2>/dev/null
"$B/tests/bench/media-video" "$T/short.mkv" 1 "$cast" 2>/dev/null
recode () { ffmpeg -v error -y -t $foreign -i "$T/own.mkv" "$@" </dev/null; }
recode -c:v libx264 -preset veryfast -b:v 300k "$T/720p.mp4"
recode -vf scale=960:540 -c:v libvpx -deadline realtime -cpu-used 8 -b:v 200k "$T/540p.webm"
recode -vf scale=640:360 -c:v libx264 -preset veryfast -b:v 300k "$T/360p.mkv"
recode -vf "scale=960:540,pad=1920:1080:640:380:color=teal" -c:v libx264 -preset veryfast -b:v 500k "$T/desktop.mp4"

# measured FILE SCAN-OPTION…: the median of five runs: wall seconds, processor seconds.
measured () {
  local file=$1 TIMEFORMAT='%R %U %S'; shift
  for _ in 1 2 3 4 5; do
    { time "$B/ceremony-media" scan "$@" 4<"$file" >"$T/finds" 2>/dev/null; } 2>&1
  done | awk '{ print $1, $2 + $3 }' | sort -n | sed -n 3p
}
# say NAME SECONDS-OF-VIDEO WALL CPU
say () {
  local codes
  codes=$(jq -r 'select(.text | strings | startswith("code ")) | .text[5:10]' "$T/finds" | sort -u | wc -l)
  awk -v n="$1" -v v="$2" -v w="$3" -v c="$4" -v k="$codes" -v p="$(nproc)" 'BEGIN {
    printf "%s: %.2f s for %d s of video: %.0f x real time (processor time %.2f s, spread over %d processors %.0f x); %d of %d codes\n", n, w, v, v / w, c, p, v / (c / p), k, v / 2 }'
}
size=$(stat -c %s "$T/own.mkv")
keys=$(ffprobe -v error -select_streams v -show_entries packet=size,flags -of csv=p=0 "$T/own.mkv" | awk -F, '$2 ~ /K/ { n++; s += $1 } END { printf "%d key units of %.0f KB", n, s / n / 1000 }')
echo "the recording: $own s, $((size / 1000000)) MB, $keys"
say "scan of our own 720p recording, key units" $own $(measured "$T/own.mkv" --key-units)
say "… with one decoder" $own $(measured "$T/own.mkv" --key-units --threads 1)
say "… every picture whole, as a baseline" $foreign $(measured "$T/720p.mp4" --whole)
for f in 720p.mp4 540p.webm 360p.mkv desktop.mp4; do say "scan of a foreign recording, $f" $foreign $(measured "$T/$f" --foreign); done
read -r wall cpu < <(measured "$T/short.mkv" --key-units)
echo "start of the process, plug-ins, sandbox and one picture: $wall s"
begin=$EPOCHREALTIME; sha256sum "$T/own.mkv" >/dev/null; end=$EPOCHREALTIME
awk -v a="$begin" -v b="$end" 'BEGIN { printf "sha256sum of the recording: %.2f s\n", b - a }'
# In turn, so that both meet the same machine.
TIMEFORMAT='%U %S'
for _ in 1 2 3 4 5 6 7 8 9; do
  with=$({ time "$B/ceremony-media" scan --key-units 4<"$T/own.mkv" >/dev/null 2>&1; } 2>&1)
  without=$({ time "$B/ceremony-media" scan --key-units --no-sandbox 4<"$T/own.mkv" >/dev/null 2>&1; } 2>&1)
  echo "$with $without"
done | awk '{ printf "%.4f\n", ($1 + $2) / ($3 + $4) }' | sort -n | sed -n 5p | awk '{ printf "cost of the sandbox: %.2f x the processor time without it (median of 9 pairs)\n", $1 }'

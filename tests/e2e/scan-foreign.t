#!/usr/bin/env bash
# A recording, re-encoded as calls and people do: the scanner reads each of its codes (at least 99 in 100 of the distinct ones) from every kind. CEREMONY_SLOW=1: of a
# longer recording.
. "$(dirname "$0")/lib.sh"
plan 16
bundle=$(rehearsed_bundle) || bail "no rehearsal"
mkdir "$T/x" && unzip -q -d "$T/x" "$bundle" 'terminal/*'
seconds=8
[ -z "${CEREMONY_SLOW:-}" ] || seconds=120
codes=$((seconds / 2))
"$B/tests/bench/media-video" "$T/own.mkv" $seconds "$T"/x/terminal/0001.cast 2>/dev/null || bail "no video"

# reads FILE SCAN-OPTION…: how many distinct codes of the recording are in it, at the time that each was shown.
reads () {
  local file=$1; shift
  "$B/ceremony-media" scan "$@" 4<"$file" >"$T/finds" || return 1
  jq -r 'select(.text | strings | startswith("code ")) | "\(.text[5:10] | tonumber) \(.ms)"' "$T/finds" |
    awk '$2 - $1 * 2000 > -300 && $2 - $1 * 2000 < 2700 { seen[$1] = 1 } END { n = 0; for (i in seen) n++; print n }'
}
all_read () {
  local found
  found=$(reads "$@") || { echo "the scanner failed"; return 1; }
  tail -1 "$T/finds"
  echo "$found of $codes codes"
  [ $((found * 100)) -ge $((codes * 99)) ]
}
# foreign NAME FILE FFMPEG-OPTION…
foreign () {
  local name=$1 file=$T/$2; shift 2
  ffmpeg -v error -y -i "$T/own.mkv" "$@" "$file" </dev/null || bail "ffmpeg: $name"
  ok "$name" all_read "$file" --foreign
}
x264="-c:v libx264 -preset superfast -pix_fmt yuv420p"
vp8="-c:v libvpx -deadline realtime -cpu-used 8 -g 60"
ok "the recording itself, by key units" all_read "$T/own.mkv" --key-units
ok "… by three decoders" all_read "$T/own.mkv" --key-units --threads 3
ok "… as a foreign one" all_read "$T/own.mkv" --foreign
foreign "720p at 300 kbit/s, MP4" a.mp4 $x264 -b:v 300k
foreign "540p at 200 kbit/s, WebM" b.webm -vf scale=960:540 $vp8 -b:v 200k
foreign "360p at 300 kbit/s, MKV" c.mkv -vf scale=640:360 $x264 -b:v 300k
foreign "360p at 300 kbit/s, MP4 in fragments, as calls are streamed" d.mp4 -vf scale=640:360 $x264 -bf 2 -b:v 300k -movflags frag_keyframe+empty_moov
foreign "letterboxed" e.mp4 -vf "scale=960:540,pad=960:720:0:90" $x264 -b:v 300k
foreign "cropped to the picture's right side" f.mp4 -vf "crop=900:660:380:30,scale=810:594" $x264 -b:v 300k
foreign "rotated by 2 degrees" g.mkv -vf "rotate=2*PI/180:c=gray" $x264 -b:v 400k
foreign "5 frames a second" h.mp4 -r 5 $x264 -b:v 300k
foreign "variable frame rate" i.mkv -vf "select='lt(mod(n,45),20)+eq(mod(n,9),0)'" -fps_mode vfr $x264 -b:v 300k
foreign "a window in a larger desktop" j.mp4 -vf "scale=960:540,pad=1920:1080:640:380:color=teal" $x264 -b:v 500k
foreign "turned on its side" k0.mp4 -vf "scale=960:540,transpose=1" $x264 -b:v 300k
ffmpeg -v error -y -f lavfi -i sine=r=48000 -t 2 -c:a libopus "$T/sound.webm" </dev/null
exits 1 "sound alone is refused" reads "$T/sound.webm" --foreign
ok "… at once, and it says why" sh -c '! timeout 15 "$1" scan --foreign 4<"$2" 2>"$3" && grep -q "only sound" "$3"' sh "$B/ceremony-media" "$T/sound.webm" "$T/why"

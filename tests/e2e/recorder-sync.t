#!/usr/bin/env bash
# Picture and sound in step: the test sound ticks once a second, and stays on its place in the video's time over a recording in which the camera is lost, the recorder
# is held and the disk is slow. CEREMONY_SLOW=1 records a minute.
set -u
cd "$(dirname "$0")/../.."
MEDIA=$PWD/${BUILD:-build}/ceremony-media
SLOW=$PWD/${BUILD:-build}/tests/lib/slowdisk.so
D=$(mktemp -d)
trap 'rm -rf "$D"' EXIT
n=0
ok() { n=$((n + 1)); if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi; }
length=6; [ "${CEREMONY_SLOW:-}" ] && length=60

start() { # start FOLDER CAMERA
  mkdir -p "$D/$1"
  echo "{\"cmd\":\"start\",\"dir\":\"$D/$1\",\"part\":1,\"width\":1280,\"height\":720,\"fps\":15,\"cols\":80,\"rows\":24,\"camera\":\"$2\",\"audio\":\"test\",\"ceremony\":\"2026-11-24-abcd2345\",\"origin\":\"ca.example/ceremony/2026-11-24-abcd2345\"}"
}
drive() { tests/e2e/recorder-driver "$MEDIA" "$D/$1.log" >"$D/$1.out"; }

# in_step FOLDER [MS]: each tick stands as far after a full second of the video's time as the others, and the last sound is where the recording ended.
cat >"$D/step.py" <<'PY'
import array, json, subprocess, sys
film, allowed = sys.argv[1], int(sys.argv[2])
asked = sum(e["frames"]["asked"] for e in map(json.loads, open(sys.argv[3])) if e.get("event") == "chunk" and e["track"] == "video")
raw = subprocess.run(["ffmpeg", "-v", "error", "-i", film, "-map", "0:a", "-af", "aresample=async=1:min_hard_comp=0.01:first_pts=0", "-f", "s16le", "-ac", "1", "-ar", "48000", "-"],
                     stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout
samples = array.array("h", raw)
onsets, quiet = [], 48000
for i, s in enumerate(samples):
    if abs(s) > 1500:
        if quiet > 12000:
            onsets.append(i / 48.0)
        quiet = 0
    else:
        quiet += 1
pts = lambda which: [float(p) for p in subprocess.run(["ffprobe", "-v", "error", "-select_streams", which, "-show_entries", "packet=pts_time", "-of", "csv=p=0", film],
                                                       stdout=subprocess.PIPE, text=True).stdout.replace(",", "").split()]
video, sound = pts("v"), pts("a")
phase = sorted((o % 1000 for o in onsets))
spread = min(((phase[i - 1] - phase[i]) % 1000 for i in range(len(phase))), default=1000) if len(phase) > 1 else 1000
print("%d ticks, on their places within %d ms; %.2f s asked for, video to %.2f s, sound to %.2f s" % (len(onsets), spread, asked / 15, video[-1], sound[-1]))
sys.exit(0 if len(onsets) >= 3 and spread <= allowed and abs(asked / 15 - sound[-1]) < 0.15 and video[-1] < asked / 15 else 1)
PY
in_step() { python3 "$D/step.py" "$D/$1/video/0001.mkv" "$2" "$D/$1.out" >"$D/said" 2>&1; ok $? "$3"; sed 's/^/# /' "$D/said"; }

{ start plain test; echo 'wait started'; echo "sleep $length"; echo '{"cmd":"stop"}'; echo 'expect-exit'; } | drive plain &
{ start lost "file:$D/none.mp4"; echo 'wait source_lost'; echo "sleep $length"; echo '{"cmd":"stop"}'; echo 'expect-exit'; } | drive lost &
{ start held test; echo 'wait started'; echo 'sleep 3'; echo 'run kill -STOP $RECORDER'; echo 'sleep 1.7'; echo 'run kill -CONT $RECORDER'; echo "sleep $length"; echo '{"cmd":"stop"}'
  echo 'expect-exit'; } | drive held &
if [ -e "$SLOW" ]; then
  { start slow test; echo 'wait started'; echo "sleep $length"; echo '{"cmd":"stop"}'; echo 'expect-exit'; } | LD_PRELOAD=$SLOW SLOW_FDATASYNC_MS=900 drive slow &
fi
wait
in_step plain 120 "picture and sound stay in step"
in_step lost 120 "without a camera too"
in_step held 120 "and after the recorder was held"
[ -e "$SLOW" ] && in_step slow 120 "and where the disk is slower than the recording"
echo "1..$n"

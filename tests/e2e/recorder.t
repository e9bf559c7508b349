#!/usr/bin/env bash
# ceremony-media record, driven over its socket: what it tells about the files is what they hold, they play wherever they are cut, and the QR codes
# in the picture can be read. The recordings are made side by side, then looked at.
set -u
cd "$(dirname "$0")/../.."
MEDIA=$PWD/${BUILD:-build}/ceremony-media
D=$(mktemp -d)
trap 'mountpoint -q "$D/small" && umount "$D/small"; rm -rf "$D"' EXIT
n=0
ok() { # ok STATUS TEXT
  n=$((n + 1))
  if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}
skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
is() { # is GOT EXPECTED TEXT
  [ "$1" = "$2" ]; ok $? "$3" && [ "$1" = "$2" ] || echo "# got: $1"
}

start() { # start FOLDER [CAMERA] [AUDIO] [PART]
  echo "{\"cmd\":\"start\",\"dir\":\"$D/$1\",\"part\":${4:-1},\"width\":1280,\"height\":720,\"fps\":15,\"cols\":80,\"rows\":24,\"camera\":\"${2:-test}\",\"audio\":\"${3:-none}\",\"ceremony\":\"2026-11-24-abcd2345\",\"origin\":\"ca.example/ceremony/2026-11-24-abcd2345\"}"
}
note() { # note SIZE: a checkpoint of the usual length
  printf 'ca.example/ceremony/2026-11-24-abcd2345\\n%d\\n8TqK0CyF6pSdZzDqwD0cJvYzl1oGm6q1m0Gf0Q9R3c0=\\n\\n\\u2014 ca.example/ceremony/2026-11-24-abcd2345 xkXUhJ1t7mT7m3d9tSd0b0Ft9f1kQXw2J6lF5m8JkP2zWqk7C3XQmVYp2b6Y8m0R0Vt7xk3p2Fq8dL9wPp2fVw==\\n' "$1"
}
qr() { echo "{\"cmd\":\"qr\",\"text\":\"$(note "$1")\",\"size\":$1}"; }
drive() { # drive FOLDER: script on standard input
  tests/e2e/recorder-driver "$MEDIA" "$D/$1.log" >"$D/$1.out" 2>"$D/$1.err"
}
events() { jq -c "select(.event == \"$2\")" "$D/$1.out"; } # events FOLDER EVENT

mkdir -p "$D"/{slow,whole,eof,term,kill,lost,frozen,busy,small}

{ start whole test test
  echo 'wait started'
  echo '{"cmd":"status","step":"Show the token","events":12,"mark_camera":false,"rehearsal":true}'
  echo 'T \x1b[2J\x1b[H\x1b[1;32mhello\x1b[0m \xe2\x82'
  echo 'T \xac\r\n'
  echo 'sleep 0.8'; qr 12; echo 'wait qr_shown 1'; echo 'sleep 1.2'; echo 'T more\r\n'; qr 15
  echo 'wait qr_shown 2'; echo 'sleep 0.3'
  echo '{"cmd":"resize","cols":120,"rows":36}'
  echo '{"cmd":"nonsense"}'
  echo '{"cmd":"start","dir":"/nowhere"}'
  echo '{"cmd":"qr","text":5,"size":9}'
  echo '{"cmd":"status","step":"Liveness","events":15,"mark_camera":true,"rehearsal":true}'
  echo 'T \x1b[Hend'
  echo 'sleep 2.6'; qr 19; echo 'wait qr_shown 3'; echo 'sleep 0.3'
  echo '{"cmd":"stop"}'
  echo 'expect-exit'; } | drive whole &
{ start eof test test; echo 'wait started'; echo 'T last words'; qr 1; echo 'wait qr_shown'; echo 'sleep 1'; echo 'close'; echo 'expect-exit'; } | drive eof &
{ start term; echo 'wait started'; qr 1; echo 'wait qr_shown'; echo 'sleep 1'; echo 'term'; echo 'expect-exit'; } | drive term &
{ start kill test test; echo 'wait started'; qr 1; echo 'T before\r\n'; echo 'sleep 1'; qr 2; echo 'wait qr_shown 2'; echo 'wait chunk 4'; echo 'sleep 0.5'; echo 'kill'; echo 'expect-exit'; } | drive kill &
{ start frozen; echo 'wait started'; echo 'sleep 1'; echo 'run kill -STOP $RECORDER'; qr 4; echo 'sleep 1.2'; echo 'run kill -CONT $RECORDER'
  echo 'wait qr_shown'; echo 'sleep 1'; echo '{"cmd":"stop"}'; echo 'expect-exit'; } | drive frozen &
ffmpeg -v error -y -f lavfi -i testsrc=d=1:s=320x240:r=10 -f lavfi -i sine=d=1 -c:v libx264 -pix_fmt yuv420p -c:a aac "$D/film.mp4" </dev/null
{ start lost "file:$D/camera.mp4"; echo 'wait source_lost'; echo 'sleep 0.5'; echo "run cp $D/film.mp4 $D/camera.new && mv $D/camera.new $D/camera.mp4"
  echo 'wait source_returned'; echo 'wait chunk 8'; echo '{"cmd":"stop"}'; echo 'expect-exit'; } | drive lost &
{ start busy; echo 'wait started'; echo "until $D/busy2.done"; echo '{"cmd":"stop"}'; echo 'expect-exit'; } | drive busy &
slowdisk=$PWD/${BUILD:-build}/tests/lib/slowdisk.so
head -c 400000 /dev/zero | tr '\0' x >"$D/flood"
[ -e "$slowdisk" ] && { start slow test test; echo 'wait started'; qr 1; echo 'sleep 2.5'; echo "file $D/flood"; echo 'sleep 4'; echo '{"cmd":"stop"}'; echo 'expect-exit'; } |
  LD_PRELOAD=$slowdisk SLOW_FDATASYNC_MS=1500 drive slow &
small=
if mount -t tmpfs -o size=1m none "$D/small" 2>/dev/null; then
  small=yes
  head -c 800k /dev/zero >"$D/small/ballast"
  { start small; echo 'wait started'; qr 1; echo '{"cmd":"status","step":"x","events":1,"mark_camera":true,"rehearsal":false}'
    echo 'wait stopped'; echo 'expect-exit'; } | drive small &
fi
{ until grep -q '"started"' "$D/busy.out" 2>/dev/null; do sleep 0.1; done
  { start busy test none 2; echo 'expect-exit'; } | drive busy2; touch "$D/busy2.done"; } &
wait

# Whole: the events against the files.
cat >"$D/check.py" <<'PY'
import hashlib, json, sys
folder, out = sys.argv[1], sys.argv[2]
events = [json.loads(line) for line in open(out)]
bad = []
for track in ("video", "terminal"):
    chunks = [e for e in events if e.get("event") == "chunk" and e["track"] == track]
    closed = [e for e in events if e.get("event") == "track_closed" and e["track"] == track]
    if len(closed) != 1 or not chunks:
        bad.append("%s: %d chunks, closed %d times" % (track, len(chunks), len(closed)))
        continue
    data = open(folder + "/" + closed[0]["path"], "rb").read()
    at = 0
    for i, c in enumerate(chunks):
        piece = data[c["offset"]:c["offset"] + c["length"]]
        if c["offset"] != at or len(piece) != c["length"]:
            bad.append("%s chunk %d: a gap at %d" % (track, i, at))
        if hashlib.sha256(piece).hexdigest() != c["sha256"]:
            bad.append("%s chunk %d: its hash" % (track, i))
        if track == "terminal" and not piece.endswith(b"\n") and "--cut" not in sys.argv:
            bad.append("terminal chunk %d doesn't end a line" % i)
        if track == "video" and (piece[:4] != bytes.fromhex("1f43b675" if i else "1a45dfa3") or data[at:at + 0] != b""):
            bad.append("video chunk %d begins with %s" % (i, piece[:4].hex()))
        if track == "video":
            f = c["frames"]
            if f["asked"] != f["encoded"] + f["dropped"] or f["composed"] < f["encoded"] or f["composed"] > f["asked"]:
                bad.append("video chunk %d: %s" % (i, f))
        at += c["length"]
    if at != len(data) or closed[0]["length"] != len(data) or closed[0]["sha256"] != hashlib.sha256(data).hexdigest() or closed[0]["chunks"] != len(chunks):
        bad.append("%s: track_closed doesn't say what the file holds" % track)
kinds = [e.get("event") for e in events if "event" in e]
if kinds[-1] != "stopped":
    bad.append("the last event is " + kinds[-1])
print("\n".join(bad) or "true")
PY
is "$(python3 "$D/check.py" "$D/whole" "$D/whole.out")" true "chunks cover both files, hashes and frame sums are right, clusters begin them"
is "$(tail -1 "$D/whole.out")" '{"exit": 0}' "it ends with status 0"
is "$(events whole qr_shown | jq -c .size | tr '\n' ' ')" "12 15 19 " "each checkpoint was shown"
is "$(grep -c 'message refused' "$D/whole.log")" 3 "messages that mean nothing are refused, and recording goes on"
V=$D/whole/video/0001.mkv
is "$(ffprobe -v error -show_entries stream=codec_name,width,height -of csv=p=0 "$V" | tr '\n' ' ')" "h264,1280,720 opus " "ffprobe sees H.264 and Opus"
frames=$(events whole chunk | jq -s '[.[] | select(.track == "video") | .frames.encoded] | add')
ffprobe -v error -select_streams v -show_entries frame=key_frame,pts_time -of csv=p=0 "$V" >"$D/frames"
is "$(wc -l <"$D/frames")" "$frames" "the file holds as many frames as were told"
keys=$(awk -F, '$1 == 1 { printf "%d\n", $2 * 1000 + 0.5 }' "$D/frames")
events whole qr_shown | jq .media_ms | while read -r ms; do grep -qx "$ms" <<<"$keys" || echo "$ms"; done >"$D/not-key"
is "$(cat "$D/not-key")" "" "the first frame with each QR code is a key unit, at the media time told"
is "$(awk -F, '$1 == 1 { printf "%d\n", $2 * 1000 + 0.5 }' "$D/frames" | tr '\n' ' ')" \
   "$(events whole chunk | jq -r 'select(.track == "video" and .frames.encoded > 0) | .first_ms' | tr '\n' ' ')" "each chunk begins with a key unit, and there are no others"
is "$(events whole chunk | jq -s '[.[] | select(.track == "video") | .last_ms - .first_ms] | max <= 2000')" true "no chunk is longer than two seconds"
is "$(ffmpeg -v error -i "$V" -f null - 2>&1 </dev/null)" "" "ffmpeg decodes all of it without a word"
is "$(ffmpeg -v info -i "$V" -af volumedetect -vn -f null - 2>&1 </dev/null | grep -c 'max_volume: -[0-9.]*[1-9]')" 1 "there is sound in it"

for s in 12 15 19; do
  ms=$(events whole qr_shown | jq "select(.size == $s) | .media_ms")
  ffmpeg -v error -y -i "$V" -vf "select=gte(t\,$((ms - 5))/1000)" -frames:v 1 "$D/qr-$s.png" </dev/null
  printf "$(note $s | sed 's/\\u2014/\xe2\x80\x94/')" >"$D/note-$s"
  is "$(zbarimg -q --raw "$D/qr-$s.png" 2>/dev/null)" "$(cat "$D/note-$s")" "zbarimg reads checkpoint $s off its frame"
done
ffmpeg -v error -y -i "$V" -vf scale=640:360 -c:v libx264 -b:v 300k -maxrate 300k -bufsize 600k -an "$D/call.mp4" </dev/null
ms=$(events whole qr_shown | jq "select(.size == 15) | .media_ms + 600")
ffmpeg -v error -y -i "$D/call.mp4" -vf "select=gte(t\,$ms/1000)" -frames:v 1 "$D/call.png" </dev/null
is "$(zbarimg -q --raw "$D/call.png" 2>/dev/null)" "$(cat "$D/note-15")" "and after a call at 640x360 and 300 kbit/s"

decoded() { ffmpeg -v quiet -i "$1" -map 0:v -f null - -progress - </dev/null | sed -n 's/^frame=//p' | tail -1; }
size=$(stat -c %s "$V"); bad=
for part in 3 10 25 50 77 99; do
  head -c $((size * part / 100)) "$V" >"$D/cut.mkv"
  got=$(decoded "$D/cut.mkv")
  want=$(events whole chunk | jq -s "[.[] | select(.track == \"video\" and .offset + .length <= $((size * part / 100))) | .frames.encoded] | add")
  [ "${got:-0}" -ge "$want" ] || bad="$bad $part%: $got of $want"
done
is "$bad" "" "cut anywhere, it plays up to there"

C=$D/whole/terminal/0001.cast
python3 - "$C" >"$D/cast" <<'PY'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
head, rest = lines[0], lines[1:]
assert head["version"] == 2 and (head["width"], head["height"]) == (80, 24) and head["timestamp"] > 1700000000
assert all(a[0] <= b[0] for a, b in zip(rest, rest[1:]))
print("".join(text for _, kind, text in rest if kind == "o").encode().hex(), [text for _, kind, text in rest if kind == "r"])
PY
is "$(cat "$D/cast")" "$(printf '\033[2J\033[H\033[1;32mhello\033[0m \xe2\x82\xac\r\nmore\r\n\033[Hend' | xxd -p -c 999) ['120x36']" "the cast is asciicast v2 and holds every byte of the terminal"

# Ends that nobody asked for.
is "$(tail -1 "$D/eof.out")" '{"exit": 0}' "when the ceremony dies it ends by itself"
is "$(ffmpeg -v error -i "$D/eof/video/0001.mkv" -f null - 2>&1 </dev/null)$(python3 -c 'import json,sys; print([json.loads(l) for l in open(sys.argv[1])][-1][2])' "$D/eof/terminal/0001.cast")" "last words" "and leaves whole files"
is "$(python3 "$D/check.py" "$D/term" "$D/term.out")" true "SIGTERM closes the tracks"
is "$(ls -A "$D/kill/video" "$D/kill/terminal" | grep -c 0001)$(decoded "$D/kill/video/0001.mkv" | awk '{ print ($1 > 5) }')" 21 "killed, it leaves files that play"
python3 - "$D" <<'PY'
import hashlib, json, sys
for e in map(json.loads, open(sys.argv[1] + "/kill.out")):
    if e.get("event") == "chunk":
        data = open(sys.argv[1] + "/kill/" + ("video/0001.mkv" if e["track"] == "video" else "terminal/0001.cast"), "rb").read()
        assert hashlib.sha256(data[e["offset"]:e["offset"] + e["length"]]).hexdigest() == e["sha256"], e
PY
ok $? "and every chunk that it had told is there"

# Frames that could not be made are counted.
is "$(python3 "$D/check.py" "$D/frozen" "$D/frozen.out")" true "a recorder that was frozen tells true sums"
is "$(events frozen frames_dropped | jq -s '[.[].count] | add >= 14')$(events frozen chunk | jq -s '([.[] | select(.track == "video") | .frames.dropped] | add) >= 14')" truetrue "and counts what it dropped"
is "$(events frozen chunk | jq -s '[.[] | select(.track == "video")] | ([.[].frames.asked] | add) - (last.last_ms * 15 / 1000 | round) - 1 | . >= 0')" true "no tick of the clock is left out"

if [ -e "$slowdisk" ]; then
  is "$(python3 "$D/check.py" "$D/slow" "$D/slow.out")$(events slow chunk | jq -s '[.[] | select(.track == "video") | .frames.dropped] | add >= 14')" truetrue \
     "a slow disk costs frames, which are counted"
  is "$(events slow frames_dropped | jq -s '[.[].count] | add')" "$(events slow chunk | jq -s '[.[] | select(.track == "video") | .frames.dropped] | add')" \
     "and told while it goes on"
  is "$(python3 -c 'import json,sys; t = [l[0] for l in map(json.loads, list(open(sys.argv[1]))[1:])]; print(len(t), max(b - a for a, b in zip(t, t[1:])) < 1.4)' "$D/slow/terminal/0001.cast")" \
     "100 True" "and meanwhile the terminal goes on being read"
  is "$(ffmpeg -v error -i "$D/slow/video/0001.mkv" -f null - 2>&1 </dev/null)" "" "and the video plays, with its sound"
else
  for i in 1 2 3 4; do skip "a slow disk" "make tests builds the library for it"; done
fi

# The camera goes and comes back, and a film begins again at its end.
is "$(jq -r 'select(.source == "camera") | .event' "$D/lost.out" | head -2 | tr '\n' ' ')" "source_lost source_returned " "a lost camera is told, and its return"
is "$(python3 "$D/check.py" "$D/lost" "$D/lost.out")" true "recording goes on without it"

# Two at once, and a part that is there already.
is "$(events busy2 fault | grep -c 'another recorder')$(tail -1 "$D/busy2.out")" '1{"exit": 1}' "a second recorder in the same ceremony is refused"
{ start busy; echo 'expect-exit'; } | drive again &
wait
is "$(events again fault | grep -c 'never overwritten')$(python3 "$D/check.py" "$D/busy" "$D/busy.out")" 1true "a part that is there is never overwritten"

if [ -n "$small" ]; then
  is "$(events small fault | jq -r .reason | grep -c 'the disk is full')" 1 "a full disk is told"
  is "$(python3 "$D/check.py" "$D/small" "$D/small.out" --cut)" true "chunks and closes then say what is on the disk"
  is "$(decoded "$D/small/video/0001.mkv" | awk '{ print ($1 > 5) }')" 1 "and the video plays up to there"
else
  skip "a full disk" "a small file system can't be mounted here"
fi
echo "1..$n"

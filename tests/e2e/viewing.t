#!/usr/bin/env bash
# What a reviewer looks at: clips on the command line, the viewing copy (in a browser where there is one), pictures of each step.
. "$(dirname "$0")/lib.sh"
bundle=$(rehearsed_bundle) || bail "no rehearsal to look at"
trust=$(trust_of "$bundle")
plan 35

# Clips.
ok "a step is cut out" ceremony clip "$bundle" --step liveness -o "$T/live.clip"
says 'Verify it: ceremony verify --clip' "and it says how it is verified"
exits 1 "a rehearsal's clip is refused" ceremony verify --clip --trust "$trust" --json "$T/live.clip"
says '"genuine":true' "for being one alone"
ok "without trust" bash -c '! ceremony verify --clip "$1"' - "$T/live.clip"
says 'use --trust DIR.*, or --checkpoint|or --checkpoint' "it says what is missing"
unzip -p "$T/live.clip" checkpoint.txt >"$T/final"
ok "by the checkpoint alone" bash -c 'ceremony verify --clip --json --checkpoint "$1" "$2" | grep -q "\"genuine\":true"' - "$T/final" "$T/live.clip"
ok "unzip reads it" unzip -tq "$T/live.clip"
unzip -p "$T/live.clip" video/0001.mkv >"$T/live.mkv"
ok "its video plays" bash -c '[ -z "$(ffmpeg -v error -i "$1" -f null - 2>&1 </dev/null)" ] && [ "$(ffprobe -v error -select_streams v -show_entries frame=key_frame -of csv=p=0 "$1" | head -1 | cut -d, -f1)" = 1 ]' - "$T/live.mkv"
not_ok "it holds nobody's name" grep -qa -e people.json -e '"name":"Otto' "$T/live.clip"
exits 2 "it is never written over" ceremony clip "$bundle" --step liveness -o "$T/live.clip"
exits 2 "no such step" ceremony clip "$bundle" --step nowhere -o "$T/x.clip"
says 'has no step "nowhere"; it has: welcome' "and which there are"
exits 1 "a step that was skipped" ceremony clip "$bundle" --step unplug -o "$T/x.clip"
exits 2 "a time that is none" ceremony clip "$bundle" --from soon -o "$T/x.clip"
ok "by time" ceremony clip "$bundle" --from 0:01 --to 0:01.5 --json -o "$T/time.clip"
says '"pieces":\[\{"chunks":[0-9]+,"from_ms":[0-9]+,"part":1,"path":"video/0001.mkv","to_ms":[0-9]+\}\]' "in JSON"

# The viewing copy.
ok "a viewing copy" ceremony extract "$bundle" --viewing -d "$T/view"
ok "has its index in front" bash -c '[ "$(grep -abo moov "$1" | head -1 | cut -d: -f1)" -lt "$(grep -abo mdat "$1" | head -1 | cut -d: -f1)" ]' - "$T/view/part-1.mp4"
frames () { ffprobe -v error -select_streams "$2" -show_entries packet=data_hash -show_data_hash md5 -of csv=p=0 "$1" | grep -o 'MD5:[0-9a-f]*' | md5sum; }
unzip -p "$bundle" video/0001.mkv >"$T/whole.mkv"
ok "holds each picture and sound of the recording" test "$(frames "$T/view/part-1.mp4" v) $(frames "$T/view/part-1.mp4" a)" = "$(frames "$T/whole.mkv" v) $(frames "$T/whole.mkv" a)"
ok "is no other encoding" bash -c 'test "$(ffmpeg -v error -i "$1" -map 0:v -f framemd5 - </dev/null | grep -v "^#" | cut -d, -f6)" = "$(ffmpeg -v error -i "$2" -map 0:v -f framemd5 - </dev/null | grep -v "^#" | cut -d, -f6)"' - \
  "$T/view/part-1.mp4" "$T/whole.mkv"
sound () { ffmpeg -v error -i "$1" -map 0:a -f s16le - </dev/null | wc -c; }
ok "no sound is lost" test $(($(sound "$T/whole.mkv") - $(sound "$T/view/part-1.mp4"))) -lt 4000
cues () { python3 - "$1" <<'PY'
import re, sys
last, n = -1, 0
for line in open(sys.argv[1], encoding="utf-8"):
    m = re.fullmatch(r"(\d\d):(\d\d):(\d\d)\.(\d{3}) --> (\d\d):(\d\d):(\d\d)\.(\d{3})\n", line)
    if m:
        t = [int(x) for x in m.groups()]
        a, b = [((t[i] * 60 + t[i + 1]) * 60 + t[i + 2]) * 1000 + t[i + 3] for i in (0, 4)]
        assert last <= a < b, line
        last, n = a, n + 1
assert n > 10, n
PY
}
ok "chapters go forward" cues "$T/view/part-1.chapters.vtt"
ok "so do the events" cues "$T/view/part-1.events.vtt"
ok "ffmpeg reads them" bash -c 'ffmpeg -v error -i "$1" -f srt - </dev/null | grep -q "Challenge beside token"' - "$T/view/part-1.chapters.vtt"
ok "the page leads to each step" bash -c '[ "$(grep -c "<button data-part=\"1\" data-ms=\"[0-9]*\">" "$1")" -gt 15 ] && ! grep -q "http:\|https:" "$1"' - "$T/view/index.html"

n=$((n + 1))
browser=$(command -v chromium || command -v chromium-browser || true)
if [ -z "$browser" ]; then
  echo "ok $n - a browser plays and seeks it # SKIP Chromium isn't installed"
else
  cat >"$T/view/probe.html" <<'HTML'
<!DOCTYPE html><video src="part-1.mp4" preload="auto" muted></video><pre>nothing</pre><script>
const v = document.querySelector ('video'), say = t => document.querySelector ('pre').textContent = t;
v.onloadedmetadata = () => { say ('loaded'); v.currentTime = 1.5; };
v.onseeked = () => say ('seeked ' + v.currentTime + ' ' + v.videoWidth + ' of ' + (v.duration > 2) + ' to ' + (v.seekable.end (0) === v.duration));
v.onerror = () => say ('error ' + v.error.message);
</script>
HTML
  for try in 1 2 3; do
    HOME=$T timeout 100 "$browser" --headless --no-sandbox --disable-gpu --virtual-time-budget=$((try * 8000)) --dump-dom "file://$T/view/probe.html" >"$T/out" 2>&1
    grep -q '<pre>seeked' "$T/out" && break
  done
  if grep -q '<pre>seeked 1.5 1280 of true to true</pre>' "$T/out"; then passed "a browser plays and seeks it"; else failed "a browser plays and seeks it"; fi
fi

# A part that is cut anywhere is remuxed as far as it goes; what is no recording isn't.
cutted () { head -c "$2" "$1" >"$T/cut.mkv" && ceremony-media remux 4<"$T/cut.mkv" >"$T/cut.mp4"; }
ok "half of it" cutted "$T/whole.mkv" $(($(stat -c %s "$T/whole.mkv") / 2))
ok "plays" bash -c '[ -z "$(ffmpeg -v error -i "$1" -f null - 2>&1 </dev/null)" ]' - "$T/cut.mp4"
not_ok "the header alone is no video" cutted "$T/whole.mkv" 600
not_ok "nor is another file" bash -c 'ceremony-media remux 4<"$0" >"$1"' "$bundle" "$T/cut.mp4"

# Pictures.
ok "pictures of the steps" ceremony extract "$bundle" --pictures --width 640 -d "$T/pictures"
check_pictures () { python3 - "$T/pictures" <<'PY'
import hashlib, json, os, struct, sys
index = json.load(open(sys.argv[1] + "/pictures.json"))
assert index["format"] == "ceremony/pictures/v1" and len(index["pictures"]) > 25
for p in index["pictures"]:
    data = open(os.path.join(sys.argv[1], p["file"]), "rb").read()
    assert hashlib.sha256(data).hexdigest() == p["sha256"] and data[:8] == b"\x89PNG\r\n\x1a\n" and struct.unpack(">II", data[16:24]) == (640, 360), p
    assert p["file"] == "%02d-%s-%s.png" % (p["n"], p["step"], p["moment"])
assert sorted(os.listdir(sys.argv[1])) == sorted([p["file"] for p in index["pictures"]] + ["pictures.json"])
PY
}
ok "each as the index says" check_pictures
exits 2 "a folder that isn't empty stays as it is" ceremony extract "$bundle" --pictures -d "$T/pictures"
exits 2 "a width without pictures" ceremony extract "$bundle" --width 640 -d "$T/none"

#!/usr/bin/env bash
# A call's recording: the rehearsal's video as a call shows it, and all that somebody could do to such a recording.
. "$(dirname "$0")/lib.sh"
# All that was done to a recording takes a minute of the processor: CEREMONY_SLOW=1. The judging itself has its unit test (test-call).
if [ -n "${CEREMONY_SLOW:-}" ]; then plan 35; else plan 16; fi
wrap=$B/tests/lib/wrap-pkcs11.so
[ -e "$wrap" ] || bail "$wrap isn't built: make tests"

# A ceremony of half a minute, most of it spent in generating: codes come each second.
echo 'slow C_GenerateKeyPair 24000' >"$T/conf"
bundle=$(WRAP_PKCS11_CONF=$T/conf rehearse "$T/home" --module "$wrap") || bail "no rehearsal"
trust=$(trust_of "$bundle"); video=$(dirname "$bundle")/video/0001.mkv
other=$(dirname "$(rehearsed_bundle)")/video/0001.mkv
cd "$T" || exit 1
ff () { ffmpeg -nostdin -v error -y "$@" </dev/null || echo "ffmpeg failed: $*" >&2; }
x264="-an -c:v libx264 -preset ultrafast -crf 30"
ff -i "$video" -vf scale=640:360 $x264 -b:v 300k call.mp4
# judged RECORDING ID=RESULT…: what verify says with it.
judged () {
  local file=$1; shift
  ceremony verify "$bundle" --trust "$trust" --recording "$file" --json >verdict.json
  python3 - "$@" <<'PY'
import json, sys
checks = {c["id"]: c for c in json.load(open("verdict.json"))["checks"]}
bad = 0
for want in sys.argv[1:]:
    id, result = want.split("=")
    print(id, checks[id]["result"], checks[id]["reason"])
    bad += checks[id]["result"] != result
sys.exit(bad)
PY
}

# ── honest ones ──
exits 0 "a call at 360 lines and 300 kbit/s is read" ceremony watch call.mp4 --trust "$trust" -o seen.json
says 'Nothing speaks against it' "and nothing speaks against it"
says 'signatures: ([0-9]+) of \1 by the appliance that is known' "each code's signature is the appliance's"
file_is () { python3 - "$1" "$2" <<'PY'
import hashlib, json, sys
seen, data = json.load(open(sys.argv[1])), open(sys.argv[2], "rb").read()
text = open(sys.argv[1]).read()
assert text == json.dumps(seen, sort_keys=True, separators=(",", ":"), ensure_ascii=False), "not canonical"
s = seen["source"]
assert seen["format"] == "ceremony/seen/v1" and s["sha256"] == hashlib.sha256(data).hexdigest() and s["length"] == len(data), s
codes = seen["codes"]
assert len(codes) > 15 and all(c["signature"] == "verified" for c in codes), codes
assert [c["size"] for c in codes] == sorted(c["size"] for c in codes)
PY
}
ok "what was seen is written, with the recording's hash" file_is seen.json call.mp4
all="recording.read=pass recording.codes=pass recording.order=pass recording.pace=pass recording.cover=pass"
ok "it saw this journal, from beginning to end" judged call.mp4 $all
ok "as JSON, without a key" sh -c 'ceremony watch call.mp4 --json | python3 -c "import json,sys; assert json.load(sys.stdin)[\"codes\"]"'

# ── what was done to it ──
ff -i call.mp4 -vf "select='not(between(t,9,19))',setpts=N/FRAME_RATE/TB" $x264 cut.mp4
ok "a piece is missing in the middle" judged cut.mp4 recording.codes=pass recording.order=pass recording.pace=warn
says 'was cut between 0:0[7-9].* and 0:(09|1[0-2]).*about (9|10)\.[0-9] s' "and from where to where is said"
if [ -n "${CEREMONY_SLOW:-}" ]; then
ff -i "$video" -vf "scale=960:540,pad=1366:768:211:97:gray,fps=12" -an -c:v libvpx -deadline realtime -cpu-used 8 -b:v 500k desktop.webm
ok "in a window of a desktop, as WebM" judged desktop.webm $all
ff -i call.mp4 -vf "setpts=2*PTS" $x264 slow.mp4
ok "slowed to half its pace" judged slow.mp4 recording.codes=pass recording.order=pass recording.pace=fail
says 'at 0\.(4|5)[0-9] times .*slowed down' "and the pace is said"
ff -i call.mp4 -i call.mp4 -filter_complex "[0:v]trim=14,setpts=PTS-STARTPTS[a];[1:v]trim=0:14,setpts=PTS-STARTPTS[b];[a][b]concat=n=2" $x264 reordered.mp4
ok "its halves put together the other way round" judged reordered.mp4 recording.codes=pass recording.order=fail
says 'goes back from a checkpoint over' "and where is said"
ff -i call.mp4 -i "$other" -filter_complex "[0:v]trim=0:12,setpts=PTS-STARTPTS,fps=15,format=yuv420p,setsar=1[a];[1:v]scale=640:360,setpts=PTS-STARTPTS,fps=15,format=yuv420p,setsar=1[b];[a][b]concat=n=2" $x264 joined.mp4
ok "joined with a part of another ceremony" judged joined.mp4 recording.codes=fail
says "codes of another ceremony, from 0:1" "and which is said"
exits 1 "watch tells that without the bundle" ceremony watch joined.mp4 --trust "$trust"
says 'a code of another ceremony is seen' "and says it"
ff -t 10 -i call.mp4 -c copy part.mp4
sed 's/^recording_gap_ms.*/recording_gap_ms: 5000/' "$ROOT/scripts/rehearsal-policy.yaml" >gap.yaml
exits 1 "a part only: the generation isn't in it" ceremony verify "$bundle" --trust "$trust" --policy gap.yaml --recording part.mp4
says 'recording.cover' "that is a warning of recording.cover"
says 'generation isn' "which names the moment"
judged "$other" >/dev/null
ok "the recording of another ceremony" judged "$other" recording.codes=fail recording.order=skipped
says 'shows no checkpoint of this journal|codes of another ceremony' "is none of this one"
ff -f lavfi -i testsrc=d=4:s=640x360 $x264 nothing.mp4
exits 1 "a film without codes" ceremony watch nothing.mp4
ok "sees nothing" judged nothing.mp4 recording.codes=fail recording.cover=skipped
echo "this is no video, but it is longer than twelve bytes" >text.mp4
exits 2 "what isn't a video can't be read" ceremony watch text.mp4
says 'neither Matroska, WebM nor MP4' "and that is said"
ok "and fails its check" judged text.mp4 recording.read=fail
fi

# ── two histories: the appliance's own key signs another journal ──
origin=$(python3 -c 'import json,sys; print(next(c["origin"] for c in json.load(open("seen.json"))["codes"]))')
appliance=$(find "$T/home" -type d -name appliance | grep -v trust | head -1)
if "$B/tests/attacks/fork" "$appliance" "$origin" 90 fork.pgm; then
  ff -i "$video" -i fork.pgm -filter_complex "[0:v][1:v]overlay=W-w:0:enable='between(t,10,14)',scale=960:540" $x264 fork.mp4
fi
ok "a fork in the call is told" judged fork.mp4 recording.codes=fail
says 'TWO DIFFERENT LOGS' "in strong words"
printf 'format: ceremony/policy/v1\ntitle: x\nversion: "1"\npresence: none\nlocal_seal: key-file\nchallenge: secret\nalgorithms: [ec-p256]\nlevels: { recording.codes: ignore }\n' >lax.yaml
ceremony verify "$bundle" --trust "$trust" --policy lax.yaml --recording fork.mp4 --json >lax.json
ok "and no policy passes over it" sh -c '! grep -q "passes over this)[^}]*recording.codes" "$0" && grep -q "TWO DIFFERENT" "$0" && grep -q "\"genuine\":false" "$0"' lax.json

# ── asked for ──
sed 's/^recording_required.*/recording_required: true/' "$ROOT/scripts/rehearsal-policy.yaml" >required.yaml
exits 1 "where the policy asks for a recording" ceremony verify "$bundle" --trust "$trust" --policy required.yaml
says 'the policy asks for the call' "its absence is told"
exits 2 "a recording is of one ceremony" ceremony verify "$bundle" "$bundle" --recording call.mp4

# ── the screen ──
exits 2 "no display to look at" ceremony watch screen --display :987 --seconds 5
says "can't be looked at.*Wayland" "and what to do is told"

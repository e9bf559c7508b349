#!/usr/bin/env bash
# Damaged videos for the sandboxed scanner and for verify: tests/fuzz/scan-videos says what is demanded. A few seconds here; an hour with CEREMONY_SLOW=1.
. "$(dirname "$0")/../e2e/lib.sh"
plan 6
bundle=$(rehearsed_bundle) || bail "no rehearsal"
seconds=5
[ -z "${CEREMONY_SLOW:-}" ] || seconds=3600
ok "no crash, no hang, no code that wasn't there, no damage that passes" python3 "$ROOT/tests/fuzz/scan-videos" "$B" "$bundle" "$(trust_of "$bundle")" $seconds "${SEED:-$RANDOM}"
grep '^# seed' "$T/out"

# What a video claims is not what it gets: of 16384 x 16384 pictures, of a codec's private data without end, of tracks without end.
python3 - "$T" <<'PY'
import struct, sys
folder = sys.argv[1]
def size(n): return struct.pack(">Q", n | 1 << 56)
def el(id, *parts):
    body = b"".join(parts)
    return bytes.fromhex(id) + size(len(body)) + body
def num(id, n): return el(id, struct.pack(">I", n))
head = el("1a45dfa3", el("4282", b"matroska"), num("4287", 4), num("4285", 2))
def track(n, width, height, private=b""):
    return el("ae", num("d7", n), num("73c5", n), num("83", 1), el("86", b"V_MPEG4/ISO/AVC"), el("63a2", private), el("e0", num("b0", width), num("ba", height)))
cluster = el("1f43b675", num("e7", 0), *[el("a3", b"\x81" + struct.pack(">h", i) + b"\x80" + bytes(2000)) for i in range(50)])
def write(name, *tracks):
    with open(folder + "/" + name, "wb") as file:
        file.write(head + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + el("1654ae6b", *tracks) + cluster)
private = bytes.fromhex("01428020ffe1") + b"\xff\xff" + b"\x67" + bytes(65534)
# A small picture says the container, a huge one the stream itself.
def ue(n): return "0" * ((n + 1).bit_length() - 1) + format(n + 1, "b")
def bits(text): text += "1"; text += "0" * (-len(text) % 8); return int(text, 2).to_bytes(len(text) // 8, "big")
sps = bytes.fromhex("6742003e") + bits(ue(0) + ue(0) + ue(2) + ue(1) + "0" + ue(1023) + ue(1023) + "1" + "1" + "0" + "0")
pps = b"\x68" + bits(ue(0) + ue(0) + "00" + ue(0) + ue(0) + ue(0) + "000" + "1" + "1" + "1" + "100")
avcc = b"\x01\x42\x00\x3e\xff\xe1" + struct.pack(">H", len(sps)) + sps + b"\x01" + struct.pack(">H", len(pps)) + pps
slice_ = b"\x65" + bits(ue(0) + ue(7) + ue(0) + "0000" + ue(0) + "00" + ue(0) + "111" + ue(25) + "1" * 400)
cluster = el("1f43b675", num("e7", 0), *[el("a3", b"\x81" + struct.pack(">h", i) + b"\x80" + struct.pack(">I", len(slice_)) + slice_) for i in range(50)])
write("liar.mkv", track(1, 1280, 720, avcc))
cluster = el("1f43b675", num("e7", 0), *[el("a3", b"\x81" + struct.pack(">h", i) + b"\x80" + bytes(2000)) for i in range(50)])
write("large.mkv", track(1, 16384, 16384))
write("private.mkv", track(1, 1280, 720, private * 200))
write("tracks.mkv", *[track(n, 64, 64) for n in range(1, 3000)])
PY
refused () { timeout 60 "$B/ceremony-media" scan --timeout-ms 3000 --cpu-seconds 20 4<"$T/$1"; [ $? -eq 1 ]; }
ok "pictures of 16384 x 16384" refused large.mkv
ok "… where only the stream says so" refused liar.mkv
ok "13 MB of a codec's private data" refused private.mkv
ok "3000 tracks" refused tracks.mkv
# In the process's limits, a memory that is too small for the decoder is an error or its end, never more memory.
ok "a limit of memory is one" sh -c 'ulimit -v 300000; ! "$1" scan 4<"$2"' sh "$B/ceremony-media" "$T/large.mkv"

#!/usr/bin/env python3
"""What recording costs: `ceremony-media record` fed as in a ceremony, against the same GStreamer pipeline without QR codes, hashes and terminal.

usage: record.py CEREMONY_MEDIA FOLDER [SECONDS]

Prints, for 720p15 and 1080p30, the CPU seconds (user and system, all threads) that a second of recording takes, the ratio to the baseline; then what an
hour's recording (BENCH_RECORD_MINUTES, 60) does to its memory. The baseline: the test camera in a pane of the same size on black, the same
encoder with the same settings, Opus, the same muxer, a file.
"""
import json, os, select, socket, subprocess, sys, time

media, folder = sys.argv[1], sys.argv[2]
seconds = float(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] != "--hour" else 20
WARM = 4
os.makedirs(folder, exist_ok=True)
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    fields = open("/proc/%d/stat" % pid).read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid):
    return {k: int(v.split()[0]) / 1024 for k, _, v in (line.partition(":") for line in open("/proc/%d/status" % pid)) if k in ("VmRSS", "VmHWM")}


class Recorder:
    def __init__(self, width, height, fps, *options):
        self.dir = os.path.join(folder, "%dp%d%s" % (height, fps, "".join(options)))
        os.makedirs(self.dir)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket, self.size, self.live, self.media_ms, self.dropped, self.asked = ours, 1, True, 0, 0, 0
        self.child = subprocess.Popen(["sh", "-c", 'exec "$@" 3<&0 0</dev/null', "sh", media, "record", *options], stdin=theirs, stderr=open(self.dir + "/log", "w"))
        theirs.close()
        self.send({"cmd": "start", "dir": self.dir, "part": 1, "width": width, "height": height, "fps": fps, "cols": 120, "rows": 36, "camera": "test",
                   "audio": "test", "ceremony": "2026-11-24-abcd2345", "origin": "ca.example/ceremony/2026-11-24-abcd2345"})
        self.pump(30, lambda: self.started)
        self.screen()

    started = False

    def send(self, message):
        self.socket.send(b"J" + json.dumps(message, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())

    def pump(self, wait, done=lambda: False):
        until = time.monotonic() + wait
        while self.live and not done():
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return
            packet = self.socket.recv(1 << 17)
            if not packet:
                self.live = False
                return
            event = json.loads(packet[1:])
            self.started |= event["event"] == "started"
            if event["event"] == "chunk" and event["track"] == "video":
                self.media_ms = event["last_ms"]
                self.asked += event["frames"]["asked"]
                self.dropped += event["frames"]["dropped"]

    def screen(self):
        """A step's whole screen, as ui/ draws it."""
        lines = ["\x1b[%d;1H\x1b[1;3%dm %2d \x1b[0mThe operator reads aloud what stands in this box, does what stands below it, and never hurries. " % (i + 1, i % 7 + 1, i) for i in range(36)]
        self.socket.send(b"T\x1b[2J" + "".join(lines).encode())

    def second(self, n):
        """What a second of a ceremony brings: the clock of the status line, a key now and then, a code and the step's words each 2 s, a new screen each 10 s."""
        self.socket.send(b"T" + ("\x1b[35;1H\x1b[7m REC 00:%02d:%02d   %d events   0 dropped \x1b[0m\x1b[36;%dHx" % (n / 60 % 60, n % 60, 3 * n, n % 100 + 1)).encode())
        if n % 10 == 0:
            self.screen()
        if n % 2 == 0:
            self.size += 3
            note = "ca.example/ceremony/2026-11-24-abcd2345\n%d\n8TqK0CyF6pSdZzDqwD0cJvYzl1oGm6q1m0Gf0Q9R3c0=\n\n\u2014 ca.example/ceremony/2026-11-24-abcd2345 xkXUhJ1t7mT7m3d9tSd0b0Ft9f1kQXw2J6lF5m8JkP2zWqk7C3XQmVYp2b6Y8m0R0Vt7xk3p2Fq8dL9wPp2fVw==\n" % self.size
            self.send({"cmd": "qr", "text": note, "size": self.size})
            self.send({"cmd": "status", "step": "Show the token", "events": self.size, "mark_camera": False, "rehearsal": True})

    def stop(self):
        self.send({"cmd": "stop"})
        self.pump(60)
        self.child.wait(60)


def record(width, height, fps):
    r = Recorder(width, height, fps)
    begin = time.monotonic()
    at = 0
    while time.monotonic() - begin < WARM + seconds:
        if at == WARM:
            t0, c0 = time.monotonic(), cpu(r.child.pid)
        r.second(at)
        at += 1
        r.pump(max(begin + at - time.monotonic(), 0))
    used, took = cpu(r.child.pid) - c0, time.monotonic() - t0
    r.stop()
    return used / took, r


def baseline(width, height, fps, pane_width, pane_height):
    right, below = width - pane_width, height - pane_height
    command = ("videotestsrc is-live=true pattern=smpte75 horizontal-speed=2 ! video/x-raw,width=640,height=480,framerate=15/1 ! videoconvert ! videoscale add-borders=true "
               "! video/x-raw,format=I420,width=%d,height=%d,pixel-aspect-ratio=1/1 ! videorate ! video/x-raw,framerate=%d/1 ! videobox right=-%d bottom=-%d fill=black "
               "! openh264enc complexity=low rate-control=quality qp-min=18 qp-max=30 multi-thread=2 gop-size=%d ! h264parse "
               "! video/x-h264,stream-format=avc,alignment=au ! queue ! mux.video_0 matroskamux name=mux streamable=true ! filesink location=%s "
               "audiotestsrc is-live=true wave=ticks volume=0.2 samplesperbuffer=960 ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=1 "
               "! opusenc bitrate=48000 bitrate-type=cbr ! opusparse ! queue ! mux.audio_0"
               % (pane_width, pane_height, fps, right, below, 2 * fps, folder + "/baseline-%d.mkv" % height))
    child = subprocess.Popen(["gst-launch-1.0", "-q", *command.split()], stderr=subprocess.DEVNULL)
    time.sleep(WARM)
    if child.poll() is not None:
        sys.exit("the baseline's pipeline doesn't run: " + command)
    c0, t0 = cpu(child.pid), time.monotonic()
    time.sleep(seconds)
    used = (cpu(child.pid) - c0) / (time.monotonic() - t0)
    child.kill()
    child.wait()
    return used


def pane(width, height):
    """The camera's pane in the recorder's layout."""
    return (336, 252) if height == 720 else (512, 384)


def hour(minutes):
    r = Recorder(1280, 720, 15, "--as-fast-as-possible")
    begin, samples, at, told = time.monotonic(), [], 0, -1
    while r.live and r.media_ms < minutes * 60000:
        r.second(at)
        at += 1
        wanted = r.media_ms + 900
        r.pump(10, lambda: r.media_ms >= wanted)
        if r.media_ms // 60000 != told:
            told = r.media_ms // 60000
            samples.append((told, memory(r.child.pid)["VmRSS"]))
    peak, took = memory(r.child.pid)["VmHWM"], time.monotonic() - begin
    r.stop()
    second = [m for t, m in samples if t >= minutes / 6]
    print("memory of %d minutes of 720p15, recorded in %.0f s: peak %.0f MB; %.1f MB after %d min, %.1f MB at the end: %s"
          % (minutes, took, peak, second[0], minutes / 6, samples[-1][1], "flat" if samples[-1][1] - second[0] < 2 else "GROWING"))


for width, height, fps in () if "--hour" in sys.argv else ((1280, 720, 15), (1920, 1080, 30)):
    base = baseline(width, height, fps, *pane(width, height))
    ours, r = record(width, height, fps)
    base = (base + baseline(width, height, fps, *pane(width, height))) / 2
    print("recording %dp%d: %.3f CPU s a second; the same pipeline without QR, hashes and terminal %.3f; ratio %.2f; %d of %d frames dropped"
          % (height, fps, ours, base, ours / base, r.dropped, r.asked), flush=True)
hour(float(os.environ.get("BENCH_RECORD_MINUTES", "60")))

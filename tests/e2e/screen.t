#!/bin/bash
# The run screen in tmux, driven by keys as a person does: 80x24, 120x36, a resize in the middle, other terminals, and a QR code that zbar reads off the screen.
. "$(dirname "$0")/lib.sh"
command -v tmux >/dev/null || { echo "1..0 # SKIP no tmux"; exit 0; }
S=$T/tmux.sock
SHOW=$B/tests/unit/ui-show
mux () { tmux -S "$S" -f /dev/null "$@"; }
trap 'mux kill-server 2>/dev/null; rm -rf "$T"' EXIT

# show COLSxROWS FIRST-QUESTION [ENVIRONMENT…]: the made-up ceremony of tests/unit/ui-show.c in a fresh window.
show () {
  local size=$1 first=$2; shift 2
  mux kill-session -t s 2>/dev/null
  mux new-session -d -s s -x "${size%x*}" -y "${size#*x}" "env $* $SHOW --show $first $T/tap 2>$T/end; echo ended \$?; stty -a | grep -q ' echo ' && echo echoing; sleep 60"
  mux set -g status off \; set -g escape-time 0
  mux resize-window -t s -x "${size%x*}" -y "${size#*x}"
}
screen () { mux capture-pane -p -t s >"$T/screen" 2>/dev/null; }
# sees TEXT NAME: comes up on the screen within 10 seconds (a grep -E pattern).
sees () {
  local i
  for i in $(seq 100); do screen; grep -qE -e "$1" "$T/screen" && break; sleep 0.1; done
  shows "$1" "$2"
}
# shows TEXT NAME: it is on the screen that was looked at last.
shows () { cp "$T/screen" "$T/out"; says "$1" "$2"; }
keys () { local k; for k in "$@"; do mux send-keys -t s "$k"; sleep 0.1; done; }
# No line is wider than the screen, and the three bars stand where they belong.
framed () { [ "$(head -1 "$T/screen" | grep -c '^ Code-signing key ceremony .*REHEARSAL .*20261124-7f3a$')" = 1 ] && tail -1 "$T/screen" | grep -q '^ Enter .*F8 abort$'; }
# Half blocks to a picture, for zbarimg: a space is light, a full block is dark.
picture () { python3 -c '
import sys
rows = [l.rstrip("\n") for l in open(sys.argv[1], encoding="utf-8")][1:-1]
width = max(map(len, rows)); left = min(i for r in rows for i, c in enumerate(r) if c in "█▀▄" and i > 40)
lines = []
for r in rows:
    r = r.ljust(width)[left:]
    lines += [[c in "█▀" for c in r], [c in "█▄" for c in r]]
q = [[False] * 8 + l + [False] * 8 for l in lines]
q = [[False] * len(q[0])] * 8 + q + [[False] * len(q[0])] * 8
k = 4
out = b"".join(bytes(0 if d else 255 for d in l for _ in range(k)) * k for l in q)
sys.stdout.buffer.write(b"P5 %d %d 255\n" % (len(q[0]) * k, len(q) * k) + out)' "$T/screen"; }

plan 31
# It keeps the server: one that ends with its last session isn't gone when the next session wants it.
mux new-session -d -s keep 'sleep 900'

show 80x24 0
sees 'Enter when this is done' 'a whole run screen at 80x24'
ok 'its bars are whole' framed
shows 'recorded\?" and wait for a spoken yes' 'what to read aloud is there to its end'
keys Enter A B
sees 'Initials AB' 'the witness types initials'
mux resize-window -t s -x 70 -y 20
sees 'This terminal is 70x20: the ceremony needs 80x24' 'too small a window says what it needs'
keys Enter
mux resize-window -t s -x 120 -y 36
sees 'Initials AB' 'enlarged, the question is still there, unanswered'
ok 'its bars are whole at 120x36' framed
keys Enter
sees 'Name of the operator' 'the next question'
keys C-u 'Ädä Müller' Left Left Left Left Left Left Left BSpace a Enter
sees '▸ +1  Rehearsal' 'a choice'
shows 'Production \^\[\[31mHSM<U\+202E> 0001' 'a hostile label is shown, not obeyed'
keys Down Down Enter
sees 'Checkpoint of 61 events' 'a question with a QR code'
picture >"$T/qr.pgm"
ok 'zbar reads the code off the screen' sh -c "zbarimg -q --raw '$T/qr.pgm' 2>/dev/null | grep -q '^3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8=$'"
keys F2
sees 'The note is in the journal' 'F2 brings a note'
keys Enter
sees 'eight words of the challenge' 'the challenge'
keys stagn Tab specu Tab
sees '✓ stagnate +2 ✓ speculate' 'Tab completes words, each is judged'
keys speculate Enter
sees '3 ✗ speculate wrong list' 'a word of the other list shows'
sees 'Word 3, "speculate", belongs to the other list' 'and is not taken'
keys C-u 'stagnate speculate tumor alkali aimless publisher drunken hydraulic' Enter
sees 'Typing is hidden' 'the PIN'
keys S3cret MarkedPin Enter
sees 'Was there any deviation' 'yes or no'
keys n Enter
sees 'PgDn: [0-9]+ more' 'a page that is longer than the screen'
keys End Enter
sees '^ended 0' 'the ceremony ends'
shows '^echoing' 'and the terminal echoes again'
ok 'all answers arrived' diff "$T/end" - <<'END'
|0
AB|0
Äda Müller|0
|2
note
|0
stagnate speculate tumor alkali aimless publisher drunken hydraulic|0
pin right
|0
page
END
not_ok 'no PIN in what a recorder gets' grep -aqE 'S3cret|MarkedPin' "$T/tap"

show 80x24 4
sees 'The QR code needs a terminal of 80x3[0-9]' 'too small for a QR code: the size needed, and its content as text'
show 80x36 4
sees 'F4 shows the QR code' 'room for the code alone: F4'
keys F4
sees '█▀▀▀▀▀█' 'F4 shows it'
show 80x24 3 LC_ALL=C TERM=vt100
sees '> +1  Rehearsal' 'a monochrome terminal without UTF-8'
not_ok 'gets ASCII only' grep -qP '[^\x00-\x7F]' "$T/tap"
show 80x24 3 NO_COLOR=1
sees '▸ +1  Rehearsal' 'NO_COLOR'
not_ok 'gets no colour' grep -qP '\x1b\[[0-9;]*(3[0-7]|4[0-7])m' "$T/tap"

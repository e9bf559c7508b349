#!/usr/bin/env bash
# `ceremony rehearse` driven by keys in tmux, as two persons would: at 80x24 and at 120x36, with a resize in the middle, a wrong PIN, a note, a deviation, a break, and the
# full-screen code. The witness computes the challenge with `ceremony challenge` from the opening checkpoint.
. "$(dirname "$0")/lib.sh"
plan 26
. "$(dirname "$0")/keys.sh"
trap 'tm kill-server 2>/dev/null; rm -rf "$T"' EXIT

small=$T/small
ok "80x24: it starts" start "$small" 80 24
ok "the first step fits 80 columns" fits 80
ok "to the PIN by keys" until_seen "$small" 'Typing is hidden'
type_line 00000000
ok "a wrong PIN is told" wait_for '[Ww]rong|incorrect|refused'
ok "and journaled, without the PIN" event "$small" '"type":"token.refused"'
ok "the right PIN, and on to the challenge" until_seen "$small" 'challenge: eight words'
tm resize-window -t main -x 120 -y 36
ok "resized to 120x36 in the middle: the question is still there" wait_for 'challenge: eight words'
ok "to the end by keys" until_seen "$small" 'exit status' 120
ok "with exit status 0" wait_for 'exit status 0'
ok "terminal.resized was journaled" event "$small" '"type":"terminal.resized"'
ok "the bundle is genuine" genuine "$small"

large=$T/large
ok "120x36: it starts" start "$large" 120 36
# say KEY PROMPT TEXT… : a function key, the operator as who says it where that is asked, and what is typed at each prompt once it is there.
say () {
  keys "$1"
  if [ "$1" != F5 ]; then wait_for 'Who says so' && keys Enter || return 1; fi
  shift
  while [ $# -gt 0 ]; do
    wait_for "$1" || return 1
    type_line "$2"
    shift 2
  done
}
ok "F2: a note" say F2 'It goes into the record' "The window was open"
ok "it is told" tells 'The note is in the record'
ok "F3: a deviation" say F3 'What was expected' "A closed window" 'What happened' "An open one" 'What was decided' "We closed it"
ok "it is told" tells 'The deviation is in the record'
keys F4; ok "F4 shows the code full-screen" wait_for '▀|▄|█'
keys Enter; ok "and Enter takes it away" gone '▀|▄|█'
ok "F5: a break" say F5 'Why is there a break' "coffee"
ok "the screen says that it is a break" wait_for 'Break|The break is over'
ok "to the end by keys" until_seen "$large" 'exit status' 140
ok "the code that was shown full-screen is in the journal" event "$large" '"type":"checkpoint.shown"'
ok "the deviation is in the journal" event "$large" 'A closed window.*"type":"deviation.noted"'
ok "the note too" event "$large" 'The window was open.*"type":"note.made"'
ok "and the break, with its end" event "$large" '"type":"break.ended"'
ok "the bundle is genuine" genuine "$large"

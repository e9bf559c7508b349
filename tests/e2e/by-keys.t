#!/usr/bin/env bash
# `ceremony rehearse` driven by keys in tmux, as two persons would: at 80x24 and at 120x36, with a resize in the middle, a wrong PIN, a note, a deviation, a break, and the
# full-screen code. The witness computes the challenge with `ceremony challenge` from the opening checkpoint.
. "$(dirname "$0")/lib.sh"
plan 22
session=ceremony-$$
tm () { tmux -L "$session" "$@"; }
trap 'tm kill-server 2>/dev/null; rm -rf "$T"' EXIT

pane () { tm capture-pane -p -t main 2>/dev/null; }
# The pane without what changes by itself.
still () { pane | grep -vE 'REC|checkpoint [0-9]+:|^ *$'; }
keys () { tm send-keys -t main "$@"; }
type_text () { tm send-keys -t main -l -- "$1"; }
# wait_for PATTERN [SECONDS]
wait_for () {
  local i
  for ((i = 0; i < ${2:-20} * 10; i++)); do pane | grep -qE -e "$1" && return 0; sleep 0.1; done
  echo "/$1/ didn't come up:"; pane; return 1
}
changed_from () { local i; for ((i = 0; i < 50; i++)); do [ "$(still)" != "$1" ] && return 0; sleep 0.1; done; return 1; }

# The witness, at their own machine: the opening checkpoint (as the QR shows it) and the secret.
witness_words () {
  local dir=$1 db size
  db=$(ls "$dir"/ceremonies/*/journal.db)
  size=$(sqlite3 -readonly "$db" "select line from events where line like '%\"type\":\"opening.committed\"}'" | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["data"]["size"])')
  sqlite3 -readonly "$db" "select note from checkpoints where size = $size" >"$T/opening"
  [ -s "$T/opening" ] || return 1
  sed -i -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$T/opening"
  ceremony challenge --secret-file "$dir/rehearsal/challenge-secret" --checkpoint "$T/opening" | grep -oE '[a-zA-Z]+( [a-zA-Z]+){7}' | tail -1
}

# answer DIR SCREEN: answers the question that is on it. 1: none is.
answer () {
  local dir=$1 p=$2
  case $p in
    *"Initials of the operator"*) type_text OP; keys Enter ;;
    *"Initials of the witness"*) type_text WI; keys Enter ;;
    *"Name of the operator"*) type_text "Ute Öl-Müller"; keys Enter ;;
    *"Employer of the operator"*) type_text "Beispiel GmbH"; keys Enter ;;
    *"Title or position of the operator"*) type_text "Release engineer"; keys Enter ;;
    *"Title or position of the witness"*) type_text "RA officer"; keys Enter ;;
    *"Typing is hidden"*) type_text "$(cat "$dir/rehearsal/pin")"; keys Enter ;;
    *"challenge: eight words"*) type_text "$(witness_words "$dir")"; keys Enter ;;
    *"Operator confirms"*) type_text OP; keys Enter ;;
    *"Witness confirms"*) type_text WI; keys Enter ;;
    *"Yes"*"No"*) keys y; keys Enter ;;
    *"Please wait"*) return 1 ;;
    *) keys Enter ;;
  esac
  changed_from "$p" || true
}
# until_seen DIR PATTERN [QUESTIONS]: answers until the pattern is on the screen.
until_seen () {
  local i p
  for ((i = 0; i < ${3:-60}; i++)); do
    p=$(still)
    grep -qE -e "$2" <<<"$p" && return 0
    answer "$1" "$p" || sleep 0.2
  done
  echo "/$2/ never came up:"; pane; return 1
}

start () {
  mkdir -p "$1"
  tm kill-server 2>/dev/null
  tm -f /dev/null new-session -d -s main -x "$2" -y "$3" "env TERM=tmux-256color ceremony rehearse --fast --home '$1'; echo \"exit status \$?\"; sleep 600"
  wait_for 'Press Enter to begin' && keys Enter && wait_for 'Step 1 of 20|1/20|Welcome'
}
fits () { [ "$(pane | wc -L)" -le "$1" ]; }
event () { sqlite3 -readonly "$1"/ceremonies/*/journal.db "select line from events" | grep -qE -e "$2"; }
genuine () {
  ceremony verify --json --trust "$1/trust" "$1"/ceremonies/*/20*.asice >"$T/verdict"
  python3 -c 'import json,sys; v=json.load(open(sys.argv[1])); v=v[0] if isinstance(v,list) else v; print([c for c in v["checks"] if c["result"]=="fail"]); sys.exit(0 if v["genuine"] else 1)' "$T/verdict"
}

small=$T/small
ok "80x24: it starts" start "$small" 80 24
ok "the first step fits 80 columns" fits 80
ok "to the PIN by keys" until_seen "$small" 'Typing is hidden'
type_text 00000000; keys Enter
ok "a wrong PIN is told" wait_for '[Ww]rong|incorrect|refused'
ok "and journaled, without the PIN" event "$small" '"type":"token.refused"'
ok "the right PIN, and on to the challenge" until_seen "$small" 'challenge: eight words'
tm resize-window -t main -x 120 -y 36
ok "resized to 120x36 in the middle: the question is still there" wait_for 'challenge: eight words'
ok "the resize is in the journal" wait_for '.' 1
ok "to the end by keys" until_seen "$small" 'exit status' 120
ok "with exit status 0" wait_for 'exit status 0'
ok "terminal.resized was journaled" event "$small" '"type":"terminal.resized"'
ok "the bundle is genuine" genuine "$small"

large=$T/large
ok "120x36: it starts" start "$large" 120 36
# say KEY WHO-TEXT… : a function key, by the operator, and what is typed at each of its questions.
say () {
  local before; keys "$1"; shift
  wait_for 'Who ' && keys Enter || return 1
  for text in "$@"; do before=$(still); sleep 0.4; type_text "$text"; keys Enter; changed_from "$before"; done
  sleep 0.4
}
ok "F2: a note" say F2 "The window was open"
ok "F3: a deviation" say F3 "A closed window" "An open one" "We closed it"
keys F4; ok "F4 shows the code full-screen" wait_for '▀|▄|█'
pane >"$T/qr.txt"
keys Enter; sleep 0.5
ok "F5: a break" say F5 "coffee"
ok "the screen says that it is a break" wait_for '[Bb]reak|[Pp]ause'
ok "to the end by keys" until_seen "$large" 'exit status' 140
ok "the deviation is in the journal" event "$large" 'A closed window.*"type":"deviation.noted"'
ok "the note too" event "$large" 'The window was open.*"type":"note.made"'
ok "and the break, with its end" event "$large" '"type":"break.ended"'
ok "the bundle is genuine" genuine "$large"

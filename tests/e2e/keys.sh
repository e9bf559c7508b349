# What the tests share that drive a ceremony by keys in tmux. Each ceremony has its own tmux server, named by $session, so that several can be driven at once.
session=ceremony-$$
tm () { tmux -L "$session" "$@"; }

pane () { tm capture-pane -p -t main 2>/dev/null; }
# The pane without what changes by itself.
still () { pane | grep -vE 'REC|checkpoint [0-9]+:|^ *$'; }
keys () { tm send-keys -t main "$@"; }
type_text () { tm send-keys -t main -l -- "$1"; }
# The text and Enter at once: no screen between them is ever taken for the next question.
type_line () { tm send-keys -t main -l -- "$1" \; send-keys -t main Enter; }
# wait_for PATTERN [SECONDS]
wait_for () {
  local i
  for ((i = 0; i < ${2:-60} * 10; i++)); do pane | grep -qE -e "$1" && return 0; sleep 0.1; done
  echo "/$1/ didn't come up:"; pane; return 1
}
gone () {
  local i
  for ((i = 0; i < ${2:-60} * 10; i++)); do pane | grep -qE -e "$1" || return 0; sleep 0.1; done
  echo "/$1/ is still there:"; pane; return 1
}
# The screen in one line, so that a message may be wrapped anywhere.
flat () { pane | sed 's/^[^│]*│//; s/[│┌└─┐┘]/ /g' | tr -s '\n ' ' '; }
# tells PATTERN [SECONDS]: the message comes up, however it is wrapped.
tells () {
  local i
  for ((i = 0; i < ${2:-60} * 10; i++)); do flat | grep -qE -e "$1" && return 0; sleep 0.1; done
  echo "/$1/ wasn't told:"; pane; return 1
}
# The screen is another one, and drawn to its end.
changed_from () {
  local i now last=$1
  for ((i = 0; i < 50; i++)); do
    now=$(still)
    [ "$now" != "$1" ] && [ "$now" = "$last" ] && return 0
    last=$now
    sleep 0.1
  done
  return 1
}

journal_of () { ls "$1"/ceremonies/*/journal.db 2>/dev/null; }
event () { sqlite3 -readonly "$(journal_of "$1")" "select line from events" | grep -qE -e "$2"; }
# await_event DIR TYPE [SECONDS]
await_event () {
  local i db
  for ((i = 0; i < ${3:-120} * 20; i++)); do
    db=$(journal_of "$1")
    [ -n "$db" ] && [ -n "$(sqlite3 -readonly "$db" "select 1 from events where line like '%\"type\":\"$2\"}' limit 1" 2>/dev/null)" ] && return 0
    sleep 0.05
  done
  echo "no $2 in the journal of $1"; return 1
}

# The witness, at their own machine: the opening checkpoint (as the QR shows it) and the secret.
witness_words () {
  local dir=$1 secret=${2:-$1/rehearsal/challenge-secret} db size
  db=$(journal_of "$dir")
  size=$(sqlite3 -readonly "$db" "select line from events where line like '%\"type\":\"opening.committed\"}'" | python3 -c 'import json,sys; print(json.loads(sys.stdin.readline())["data"]["size"])')
  sqlite3 -readonly "$db" "select note from checkpoints where size = $size" >"$dir/opening"
  [ -s "$dir/opening" ] || return 1
  sed -i -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$dir/opening"
  ceremony challenge --secret-file "$secret" --checkpoint "$dir/opening" | grep -oE '[a-zA-Z]+( [a-zA-Z]+){7}' | tail -1
}

# answer DIR SCREEN: answers the question that is on it. 1: none is.
answer () {
  local dir=$1 p=$2
  case $p in
    *"Initials of the operator"*) type_line OP ;;
    *"Initials of the witness"*) type_line WI ;;
    *"Name of the operator"*) type_line "Ute Öl-Müller" ;;
    *"Employer of the operator"*) type_line "Beispiel GmbH" ;;
    *"Title or position of the operator"*) type_line "Release engineer" ;;
    *"Title or position of the witness"*) type_line "RA officer" ;;
    *"Typing is hidden"*) type_line "$(cat "${PIN_FILE:-$dir/rehearsal/pin}")" ;;
    *"challenge: eight words"*) type_line "$(witness_words "$dir" ${SECRET_FILE:-})" ;;
    *"Operator confirms"*) type_line OP ;;
    *"Witness confirms"*) type_line WI ;;
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

# launch COLS ROWS COMMAND: the command line in a terminal of its own; its exit status is shown.
launch () {
  local i
  tm kill-server 2>/dev/null
  # A server that was told to end isn't gone at once, and takes no session any more.
  for ((i = 0; i < 20; i++)); do
    tm -f /dev/null new-session -d -s main -x "$1" -y "$2" "export TERM=tmux-256color; $3; echo \"exit status \$?\"; sleep 600" 2>"$T/tmux" && return 0
    sleep 0.2
  done
  cat "$T/tmux"; return 1
}
# start DIR COLS ROWS [OPTIONS]: a rehearsal by keys, up to its first step.
start () {
  mkdir -p "$1"
  launch "$2" "$3" "ceremony rehearse --fast --home '$1' ${4:-}"
  wait_for 'Press Enter to begin' && keys Enter && wait_for 'Step 1 of 20|1/20|Welcome'
}
fits () { [ "$(pane | wc -L)" -le "$1" ]; }

# Nothing fails in DIR's bundle but that it is a rehearsal; and, where this machine had too much to do, that frames were dropped.
genuine () {
  ceremony verify --json --trust "$1/trust" "$1"/ceremonies/*/20*.asice >"$1/verdict" 2>"$1/verify.log"
  python3 -c 'import json,sys; v=json.load(open(sys.argv[1])); v=v[0] if isinstance(v,list) else v; bad=[c for c in v["checks"] if c["result"]=="fail"]; print(bad); sys.exit(0 if v["genuine"] or {c["id"] for c in bad} == {"rehearsal", "tracks.drops"} else 1)' "$1/verdict"
}
# results BUNDLE TRUST RULE…: what ceremony verify says, in $T/verdict. A rule is RESULT=CHECK, RESULT-only=CHECK,CHECK… (no other check has that result), or
# verdict=WORD, genuine=true|false. That it is a rehearsal doesn't count as a failure.
results () {
  local bundle=$1 trust=$2; shift 2
  ceremony verify --json --trust "$trust" "$bundle" >"$T/verdict" 2>"$T/verify.log"
  python3 - "$T/verdict" "$@" <<'PY'
import json, sys
v = json.load(open(sys.argv[1]))
v = v[0] if isinstance(v, list) else v
of = {c["id"]: c for c in v["checks"]}
by = {}
for c in v["checks"]:
    if c["id"] != "rehearsal":
        by.setdefault(c["result"], {})[c["id"]] = c["reason"]
print(json.dumps({k: by.get(k) for k in ("fail", "warn")}, indent=1))
wrong = []
for rule in sys.argv[2:]:
    what, value = rule.split("=", 1)
    if what in ("verdict", "genuine"):
        good = str(v[what]).lower() == value
    elif what.endswith("-only"):
        good = set(by.get(what[:-5], {})) == set(filter(None, value.split(",")))
    else:
        good = value in of and of[value]["result"] == what
    if not good:
        wrong.append(rule)
print("not so:", wrong)
sys.exit(1 if wrong else 0)
PY
}
# refused_by BUNDLE TRUST CHECK…: refused, and these checks are among those that fail; fails_only: they and no other.
refused_by () { local b=$1 t=$2; shift 2; results "$b" "$t" verdict=refuse genuine=false "${@/#/fail=}"; }
fails_only () { local b=$1 t=$2; shift 2; local IFS=,; results "$b" "$t" verdict=refuse "fail-only=$*"; }
# resumes DIR [OPTION…]: what was interrupted goes on by itself to its end.
resumes () {
  local dir=$1; shift
  timeout 240 ceremony rehearse --unattended --fast --home "$dir" "$@" </dev/null >"$dir/log" 2>&1 || { tail -5 "$dir"/ceremonies/*/recorder.log; cat "$dir/log"; return 1; }
}

# Scenarios run side by side, each a function with its own folder in $T and its own tmux; their lines are numbered when all are through.
SCENARIOS=
scenario () {
  (
    S=$T/$1 T=$T/$1
    session=ceremony-$BASHPID
    mkdir -p "$S"
    "$1" >"$S.tap" 2>"$S.err"
    tm kill-server 2>/dev/null
    true
  ) &
  SCENARIOS="$SCENARIOS $1"
}
scenarios_end () {
  local s
  wait
  for s in $SCENARIOS; do sed "s/^\(ok\|not ok\) [0-9]* - /\1 - $s: /" "$T/$s.tap"; grep -v '^$' "$T/$s.err" 2>/dev/null | sed 's/^/# /' | tail -5; done |
    awk '/^(ok|not ok) - /{n++; sub(/^(ok|not ok)/, "& " n)} {print} END {print "1.." n + 0}'
}

# What the shell tests share: TAP, a scratch folder, one rehearsed bundle for all who only read it.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-build}
B=$ROOT/$BUILD
export PATH="$B:$PATH" LC_ALL=C.UTF-8 CEREMONY_MEDIA="$B/ceremony-media"
unset CEREMONY_HOME XDG_DATA_HOME SOFTHSM2_CONF DISPLAY
T=$(mktemp -d "${TMPDIR:-/tmp}/ceremony-test.XXXXXX")
trap 'rm -rf "$T"' EXIT
n=0

plan () { echo "1..$1"; }
passed () { echo "ok $n - $1"; }
# The details also go to standard error: prove shows that, whatever else it swallows.
failed () {
  echo "not ok $n - $1"
  { echo "# $(basename "$0"): not ok $n - $1"; sed 's/^/#   /' "$T/out" | tail -40; } >&2
}
# ok NAME COMMAND…: passes when the command succeeds; what it printed is shown otherwise.
ok () {
  local name=$1; shift
  n=$((n + 1))
  if "$@" >"$T/out" 2>&1; then passed "$name"; else failed "$name ($*)"; fi
}
not_ok () {
  local name=$1; shift
  n=$((n + 1))
  if "$@" >"$T/out" 2>&1; then failed "$name ($* succeeded)"; else passed "$name"; fi
}
# exits STATUS NAME COMMAND…
exits () {
  local want=$1 name=$2 got; shift 2
  n=$((n + 1))
  "$@" >"$T/out" 2>&1; got=$?
  if [ "$got" = "$want" ]; then passed "$name"; else failed "$name: exit status $got, not $want ($*)"; fi
}
# says TEXT NAME: the last command printed it (a grep -E pattern).
says () {
  n=$((n + 1))
  if grep -qE -e "$1" "$T/out"; then passed "$2"; else failed "$2: /$1/ isn't in it"; fi
}
bail () { echo "Bail out! $*"; exit 1; }

# rehearse DIR [OPTION…]: an unattended rehearsal in DIR; prints the bundle's path.
rehearse () {
  local dir=$1; shift
  mkdir -p "$dir"
  ceremony rehearse --unattended --fast --home "$dir" "$@" </dev/null >"$dir/log" 2>&1 || { sed 's/^/# /' "$dir/log" >&2; return 1; }
  ls "$dir"/ceremonies/*/20*.asice
}

# One rehearsal for every test that only reads its bundle: made by whoever comes first. Prints the bundle's path; its trust folder is beside: $(trust_of BUNDLE).
rehearsed_bundle () {
  local shared=$B/tests/rehearsal
  mkdir -p "$B/tests"
  (
    flock 9
    if [ ! -e "$shared/done" ] || [ "$B/ceremony" -nt "$shared/done" ] || [ "$B/ceremony-media" -nt "$shared/done" ]; then
      rm -rf "$shared"
      rehearse "$shared" >/dev/null && touch "$shared/done"
    fi
  ) 9>"$B/tests/rehearsal.lock"
  ls "$shared"/ceremonies/*/20*.asice
}
trust_of () { echo "$(dirname "$(dirname "$(dirname "$1")")")/trust"; }

# ceremony script check, print and acts, as a person calls them.
. "$(dirname "$0")/lib.sh"
plan 27
script=$ROOT/scripts/code-signing.yaml
# Standard output and error apart: what is a result, what is a complaint.
apart () { "$@" >"$T/stdout" 2>"$T/stderr"; echo $? >"$T/status"; }
status () { [ "$(cat "$T/status")" = "$1" ]; }

apart ceremony script check "$script"
ok "the script that comes with the program is well formed" status 0
ok "  nothing on standard error" test ! -s "$T/stderr"
sum=$(sha256sum "$script" | cut -c1-64)
ok "  its SHA-256 is told, as sha256sum tells it" grep -qx "SHA-256 $sum" "$T/stdout"

# Three mistakes in one file, each where it stands.
sed -e 's/^    act: liveness$/    act: dance/' -e 's/^    confirm: \[witness\]$/    confirm: [wizard]/;' "$script" | awk '/confirm: \[wizard\]/ && n++ {sub("wizard", "witness")} 1' >"$T/bad.yaml"
sed -i 's/^version:/versoin:/' "$T/bad.yaml"
line_of () { grep -n "$1" "$T/bad.yaml" | head -1 | cut -d: -f1; }
apart ceremony script check "$T/bad.yaml"
ok "a script with mistakes: exit status 1" status 1
ok "  nothing on standard output" test ! -s "$T/stdout"
ok "  an act that isn't there, with line and column" grep -qF "bad.yaml:$(line_of 'act: dance'):10: \"dance\": no such act; ceremony script acts lists them" "$T/stderr"
ok "  a role that isn't there, with line and column" grep -qE "bad.yaml:$(line_of wizard):[0-9]+: confirm: \"wizard\" isn't one of the script's roles" "$T/stderr"
ok "  a key that isn't known, with line and column" grep -qE "bad.yaml:$(line_of versoin):[0-9]+: \"versoin\": no such key here" "$T/stderr"
ok "  a key that is missing" grep -q 'the key "version" is missing' "$T/stderr"
ok "  an act without which a ceremony proves nothing" grep -q 'no step has the act "liveness"' "$T/stderr"

printf 'title: [\n' >"$T/broken.yaml"
exits 1 "broken YAML: exit status 1" ceremony script check "$T/broken.yaml"
says "broken\.yaml:[0-9]+:[0-9]+: " "  with line and column"
: >"$T/empty.yaml"
exits 1 "an empty file: exit status 1" ceremony script check "$T/empty.yaml"
says "empty.yaml:1:1: the file is empty" "  said in words"
head -c 2000000 /dev/zero | tr '\0' '#' >"$T/big.yaml"
exits 1 "a file of 2 MB isn't read" ceremony script check "$T/big.yaml"
head -c 4096 /dev/urandom >"$T/noise.yaml"
exits 1 "nor is noise" ceremony script check "$T/noise.yaml"

apart ceremony script check "$T/none.yaml"
ok "a file that isn't there: exit status 1" status 1
ok "  its name and the reason on standard error" grep -q "none.yaml.*no such file" <(tr A-Z a-z <"$T/stderr")
exits 1 "a folder isn't a script" ceremony script check "$T"
apart ceremony script check "$script" "$T/none.yaml" "$T/bad.yaml"
ok "several files: every one is told of, and the status is the worst" sh -c '[ "$(cat "$1/status")" = 1 ] && grep -q "is well formed" "$1/stdout" && grep -q none.yaml "$1/stderr" && grep -q bad.yaml: "$1/stderr"' sh "$T"

apart ceremony script print "$script"
ok "print: exit status 0, no line wider than 100 columns" sh -c '[ "$(cat "$1/status")" = 0 ] && [ "$(wc -L <"$1/stdout")" -le 100 ]' sh "$T"
ok "  every step's title and the SHA-256 are on paper" sh -c 'sed -n "s/^    title: //p" "$2" | while read -r title; do grep -qF "$title" "$1/stdout" || exit 1; done && grep -q "$3" "$1/stdout"' sh "$T" "$script" "$sum"
exits 1 "print: a script with mistakes isn't printed" ceremony script print "$T/bad.yaml"

acts () {
  ceremony script acts | awk '{ print $1 }' | sort >"$T/known"; ceremony script acts | awk '/Required/ { print $1 }' | sort >"$T/required"
  sed -n 's/^    act: //p' "$script" | sort -u >"$T/used"
  [ -s "$T/required" ] && [ -z "$(comm -23 "$T/used" "$T/known")" ] && [ -z "$(comm -23 "$T/required" "$T/used")" ]
}
ok "acts: the script that comes with the program uses none but these, and all that are required but attach" acts
exits 2 "no verb: exit status 2" ceremony script
says "^usage: ceremony script check" "  and the usage"
exits 2 "print takes one file" ceremony script print "$script" "$script"

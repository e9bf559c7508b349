#!/bin/bash
# ceremony tokens, as a person and as a script calls it.
set -u
build=${BUILD:-build}
for tool in softhsm2-util jq; do
  command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not installed"; exit 0; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/tokens"
export SOFTHSM2_CONF=$dir/softhsm2.conf
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\n' "$dir" >"$SOFTHSM2_CONF"
module=$(ls /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so 2>/dev/null | head -1)
softhsm2-util --init-token --free --label 'Plain' --pin 7153926 --so-pin 12345678 >/dev/null
softhsm2-util --init-token --free --label "$(printf 'Red \033[31m')" --pin 7153926 --so-pin 12345678 >/dev/null
softhsm2-util --init-token --free --label "$(printf 'Cl\351')" --pin 7153926 --so-pin 12345678 >/dev/null

echo 1..8
n=0
check() { # TEXT COMMAND…
  n=$((n + 1))
  text=$1
  shift
  if "$@" >"$dir/why" 2>&1; then echo "ok $n - $text"; else echo "not ok $n - $text"; sed 's/^/# /' "$dir/why" "$dir/out" "$dir/err" 2>/dev/null; fi
}
"$build/ceremony" tokens --module "$module" --only >"$dir/out" 2>"$dir/err"
status=$?
check "lists tokens, exit 0, nothing on standard error" test $status -eq 0 -a ! -s "$dir/err"
check "names the token by its URI" grep -q 'URI  *pkcs11:.*token=Plain' "$dir/out"
check "lets no control character through" sh -c '! LC_ALL=C grep -q "$(printf "\033")" "$1"' sh "$dir/out"
"$build/ceremony" tokens --module "$module" --only --json >"$dir/out" 2>"$dir/err"
check "JSON has the label's bytes where they aren't UTF-8" jq -e '[.tokens[].token.label] | any(. == {"hex": "436ce9"})' "$dir/out"
check "JSON has the control character" jq -e '[.tokens[].token.label] | any(. == "Red \u001b[31m")' "$dir/out"
sum=$(sha256sum "$module" | cut -c1-64)
check "JSON has the module's SHA-256" jq -e --arg sum "$sum" '[.tokens[].module.sha256] | all(. == $sum)' "$dir/out"
"$build/ceremony" tokens --module "$module" --json >"$dir/out" 2>"$dir/err"
check "a module that is registered too is listed once" jq -e '[.tokens[] | select(.token.label == "Plain")] | length == 1' "$dir/out"
"$build/ceremony" tokens --module "$dir/none.so" --only >"$dir/out" 2>"$dir/err"
status=$?
check "a missing module: exit 1, and what to do" sh -c 'test "$1" -eq 1 && grep -q "no such file.*--module" "$2"' sh $status "$dir/err"

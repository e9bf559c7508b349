#!/usr/bin/env bash
# make demo: a whole unattended ceremony through the real screens, then its verdict, then where to look. SPEED=reading walks it at reading speed.
set -eu
cd "$(dirname "$0")/../.."
B=$PWD/${BUILD:-build}
home=$B/demo
rm -rf "$home"
mkdir -p "$home"
fast=--fast
[ "${SPEED:-fast}" = reading ] && fast=
"$B/ceremony" rehearse --unattended $fast --home "$home" </dev/null >"$home/log" 2>&1 || { cat "$home/log" >&2; echo "make demo: the rehearsal failed; what it recorded is in $home" >&2; exit 1; }
bundle=$(ls "$home"/ceremonies/*/20*.asice)
set +e
"$B/ceremony" verify --trust "$home/trust" "$bundle"
status=$?
genuine=$("$B/ceremony" verify --json --trust "$home/trust" "$bundle" | grep -o '"genuine":[a-z]*')
set -e
echo
echo "bundle:   $bundle"
echo "verdict:  exit status $status, $genuine: a rehearsal is never accepted as evidence, however well it went"
echo "look:     $B/ceremony play $bundle --step liveness"
echo "          $B/ceremony verify --trust $home/trust $bundle"
echo "          unzip -l $bundle"
[ "$genuine" = '"genuine":true' ]

#!/usr/bin/env bash
# A whole rehearsal and its verification in the build with AddressSanitizer and UBSan.
BUILD=build-san
. "$(dirname "$0")/lib.sh"
plan 4
# Leaks are looked for in the unit tests; the plug-ins and modules of others leak at their exit.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
ok "a rehearsal" rehearse "$T/home"
bundle=$(ls "$T"/home/ceremonies/*/20*.asice)
exits 1 "its verification: a rehearsal is refused" ceremony verify --json --trust "$T/home/trust" "$bundle"
says '"genuine":true' "and is genuine"
not_ok "no sanitizer said anything" grep -rE 'Sanitizer|runtime error' "$T/home/log" "$T"/home/ceremonies/*/recorder.log

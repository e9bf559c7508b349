#!/usr/bin/env bash
# The commands of docs/verify-by-hand.md, block by block, on a fresh bundle.
. "$(dirname "$0")/lib.sh"
bundle=$(rehearsed_bundle)
mkdir "$T/hand" && cd "$T/hand"
blocks=$(awk '/^```sh$/ { n++; f = 1; next } /^```$/ { f = 0 } f { print > ("'"$T"'/block-" sprintf("%02d", n) ".sh") } END { print n }' "$ROOT/docs/verify-by-hand.md")
plan "$((blocks + 1))"
for block in $(seq -w 1 99 | head -n "$blocks"); do
  ok "block $block of docs/verify-by-hand.md" env BUNDLE="$bundle" bash -e -o pipefail "$T/block-$block.sh"
done
printf x | dd of=evidence.json bs=1 seek=40 conv=notrunc status=none
not_ok "a changed file is found by hand too" env BUNDLE="$bundle" bash -e -o pipefail "$T/block-02.sh"

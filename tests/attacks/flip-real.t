#!/usr/bin/env bash
# The flips of tests/attacks/flip.c on the bundle of a real rehearsal instead of a forged one.
. "$(dirname "$0")/../e2e/lib.sh"
bundle=$(rehearsed_bundle) || bail "no rehearsal"
FLIP_BUNDLE=$bundle FLIP_TRUST=$(trust_of "$bundle") "$B/tests/attacks/flip" --tap

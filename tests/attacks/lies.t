#!/usr/bin/env bash
# A PKCS#11 module that says of a key what isn't good enough, or lies: verify names the attribute. What a token merely can't tell is a warning.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/keys.sh"
wrap=$B/tests/lib/wrap-pkcs11.so
[ -e "$wrap" ] || bail "$wrap isn't built: make tests"

# told CONF RULE…: the rehearsal goes through, and verify judges it so.
told () {
  local conf=$1; shift
  printf '%b\n' "$conf" >"$S/conf"
  WRAP_PKCS11_CONF=$S/conf resumes "$S" --module "$wrap" || return 1
  results "$(ls "$S"/ceremonies/*/20*.asice)" "$S/trust" "$@"
}
names () { grep -qE "$1" "$T/verdict"; }
# fails NAME CONF PATTERN [ANOTHER-CHECK]: these checks fail and no other, and the reason names the attribute.
fails () { ok "$1" told "$2" verdict=refuse genuine=false "fail-only=key.attributes${4:+,$4}"; ok "  named" names "$3"; }

born_elsewhere () { fails "CKA_LOCAL false: it was brought in" 'lie 0x163 00' 'CKA_LOCAL|cka_local' key.history; }
extractable () { fails "CKA_EXTRACTABLE true: it can be taken out" 'lie 0x162 01' 'CKA_EXTRACTABLE|cka_extractable'; }
was_extractable () { fails "CKA_NEVER_EXTRACTABLE false: it could once be taken out" 'lie 0x164 00' 'NEVER_EXTRACTABLE|never_extractable' key.history; }
was_readable () { fails "CKA_ALWAYS_SENSITIVE false: it could once be read" 'lie 0x165 00' 'ALWAYS_SENSITIVE|always_sensitive' key.history; }
silent () { fails "CKA_LOCAL isn't told at all" 'lie 0x163 none' 'CKA_LOCAL|cka_local' key.history; }
other_mechanism () { fails "CKA_KEY_GEN_MECHANISM names RSA for a key on a curve" 'lie 0x166 0000000000000000' 'KEY_GEN_MECHANISM'; }
no_mechanism () {
  ok "a token that can't tell CKA_KEY_GEN_MECHANISM is a warning, not a refusal" told 'lie 0x166 unavailable' genuine=true warn=key.attributes fail-only=
  ok "  named" names 'mechanism'
}

for s in born_elsewhere extractable was_extractable was_readable silent other_mechanism no_mechanism; do scenario $s; done
scenarios_end

#!/bin/bash
# tpm2-pkcs11 keeps what it says of a key as text in the operator's own file. A key made in software is put into the TPM, the store is changed by one SQL statement,
# and a module before it passes the key off as just generated: all that PKCS#11 shows is as it must be. The TPM's own word isn't.
. "$(dirname "$0")/../e2e/lib.sh"
. "$ROOT/tests/e2e/tpm.sh"
command -v tpm2_import >/dev/null && command -v sqlite3 >/dev/null || { echo "1..0 # SKIP tpm2-tools or sqlite3 is not installed"; exit 0; }
wrapper=$B/tests/lib/wrap-pkcs11.so
[ -e "$wrapper" ] || { echo "1..0 # SKIP tests/lib/wrap-pkcs11.so isn't built (make tests)"; exit 0; }
tpm_start "$T/tpm" || { echo "1..0 # SKIP $tpm_problem"; exit 0; }
plan 15

ok "a token in the software TPM" tpm_token Rehearsal 71539264
tpm_ak "$T/tpm/ak.pem"
echo 71539264 >"$T/pin"
cd "$T" || exit 1
ok "the forgery" tpm_forge forged Rehearsal 71539264
pkcs11-tool --module "$tpm_module" --token-label Rehearsal --login --pin 71539264 -O --type privkey >"$T/out" 2>&1
tpm_flush
says 'sensitive, always sensitive, never extractable, local' "the module says that a software key was generated in the TPM"

export WRAP_PKCS11_MODULE=$tpm_module WRAP_PKCS11_CONF=$T/wrap.conf
printf 'adopt forged\n' >"$T/wrap.conf"
# forged_ceremony DIR SCRIPT
forged_ceremony () {
  mkdir -p "$1/trust/vendor"
  tpm_pin "$T/tpm/ak.pem" >"$1/trust/vendor/tpm.yaml"
  ceremony rehearse "$2" --unattended --fast --home "$1" --module "$wrapper" --pin-file "$T/pin" </dev/null
}
verdict () { ceremony verify --no-video --json --trust "$1/trust" "$1"/ceremonies/*/20*.asice >"$T/verdict"; }
check () { jq -e --arg id "$1" --arg result "$2" --arg reason "$3" '.checks[] | select(.id == $id) | .result == $result and (.reason | test($reason))' "$T/verdict" >/dev/null; }

ok "a whole ceremony with it" forged_ceremony "$T/a" "$ROOT/scripts/code-signing.yaml"
tpm_flush
openssl pkey -in forged.pem -pubout >"$T/soft.pub"
unzip -qqp "$T"/a/ceremonies/*/20*.asice key/public.pem >"$T/public.pem"
ok "its request is for the software key" cmp "$T/soft.pub" "$T/public.pem"
verdict "$T/a"
ok "all that the module says is as it must be" check key.attributes pass "by the module"
ok "what the TPM certifies is refused: the key was imported" check attestation fail "imported"
ok "and refused as imported in the key's history" check key.history fail "imported"
ok "nor is it a genuine rehearsal, though its policy passes over attestations" jq -e '.genuine == false and .verdict == "refuse"' "$T/verdict"
ok "the statement says so too" sh -c "unzip -qqp '$T'/a/ceremonies/*/20*.asice statement.json | jq -e '.derived.key.history.kind == \"imported\"'"

# The same without asking the TPM: a script that leaves the step out.
awk '/^  - id: evidence/ { out = 1 } /^  - id: unplug/ { out = 0 } !out' "$ROOT/scripts/code-signing.yaml" >"$T/silent.yaml"
rm -rf "$TPM2_PKCS11_STORE"/* && ok "another token" tpm_token Rehearsal 71539264
ok "another forgery" tpm_forge forged Rehearsal 71539264
ok "a ceremony that doesn't ask the TPM" forged_ceremony "$T/b" "$T/silent.yaml"
verdict "$T/b"
ok "is refused: attributes of this module are the operator's word" check attestation fail "operator's word"
ok "and its history isn't known" check key.history fail "isn't known"

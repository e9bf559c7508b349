#!/bin/bash
# A whole ceremony on another kind of token: tpm2-pkcs11 with a software TPM, which certifies the new key with the challenge inside; and what verify makes of evidence
# that isn't that.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tpm.sh"
tpm_start "$T/tpm" || { echo "1..0 # SKIP $tpm_problem"; exit 0; }
plan 19

ok "a token in the software TPM" tpm_token Rehearsal 71539264
tpm_ak "$T/tpm/ak.pem"
mkdir -p "$T/home/trust/vendor"
tpm_pin "$T/tpm/ak.pem" >"$T/home/trust/vendor/tpm.yaml"
echo 71539264 >"$T/pin"
echo "a report" >"$T/report.txt"
attach_script "$T/report.txt" >"$T/script.yaml"
ok "the script may have attest and attach" ceremony script check "$T/script.yaml"
tpm_rehearse () { ceremony rehearse "$T/script.yaml" --unattended --fast --home "$1" --module "$tpm_module" --pin-file "$T/pin" </dev/null; }
ok "a whole ceremony on it" tpm_rehearse "$T/home"
tpm_flush
bundle=$(ls "$T"/home/ceremonies/*/20*.asice)
unzip -qq "$bundle" -d "$T/x" || bail "no bundle"

verdict () { ceremony verify --no-video --json --trust "$T/home/trust" "$@" "$bundle"; }
# check ID RESULT REASON: what the last verdict says.
check () { jq -e --arg id "$1" --arg result "$2" --arg reason "$3" '.checks[] | select(.id == $id) | .result == $result and (.reason | test($reason))' "$T/verdict" >/dev/null; }
verdict >"$T/verdict"
ok "verify: a genuine rehearsal, nothing but that against it" jq -e '.genuine and .rehearsal' "$T/verdict"
ok "verify: the TPM attests the key, in answer to this challenge" check attestation pass "in answer to this challenge"
ok "the device is the attested one" jq -e '.device.attested and (.device.serial | length == 64) and .device.vendor == "TPM 2.0"' "$T/verdict"
ok "attributes are read back" grep -q '"type":"attributes.read"' "$T/x/journal/events.jsonl"
ok "the request verifies with OpenSSL" openssl req -verify -noout -in "$T/x/key/request.csr"
ok "the report is attached" cmp "$T/report.txt" "$T/x/attachments/report.txt"
ok "the statement names attestation and attachment" jq -e '.derived.evidence | .attachments[0].name == "report.txt" and .attestations[0].result.verdict == "genuine"' "$T/x/statement.json"
ok "and says by what it is known that the key was born here" jq -e '.derived.key.history | .kind == "born-here" and (.sources | index("attestation"))' "$T/x/statement.json"

# By hand: what the TPM signed holds SHA-256 of the challenge, and is signed by the attestation key.
challenge=$(jq -r 'select(.type == "challenge.given").data.challenge' "$T/x/journal/events.jsonl")
digest=$(printf %s "$challenge" | xxd -r -p | sha256sum | cut -d' ' -f1)
ok "SHA-256 of the challenge is in what the TPM signed" sh -c "xxd -p '$T/x/key/attestation/tpm-certify.bin' | tr -d '\n' | grep -q $digest"
ok "ceremony attest says the same of the files alone" ceremony attest --vendors "$T/home/trust/vendor/tpm.yaml" --csr "$T/x/key/request.csr" --challenge "$challenge" "$T"/x/key/attestation/tpm-[ack]*
exits 1 "and refuses them for another challenge" ceremony attest --vendors "$T/home/trust/vendor/tpm.yaml" --csr "$T/x/key/request.csr" --challenge 0011223344556677 "$T"/x/key/attestation/tpm-[ack]*
says "another challenge" "because it is another challenge"

# A reviewer who doesn't know the attestation key, by whatever policy.
mv "$T/home/trust/vendor/tpm.yaml" "$T/tpm.yaml"
verdict >"$T/verdict"
ok "a reviewer who doesn't know the attestation key refuses" check attestation fail "."
ok "though the rehearsal's policy would pass over it" jq -e '.genuine | not' "$T/verdict"
mv "$T/tpm.yaml" "$T/home/trust/vendor/tpm.yaml"

# A second ceremony, stopped by a kill after the evidence was read, goes on and reads nothing twice.
label=$(jq -r 'select(.type == "ceremony.opened").data.label' "$T/x/journal/events.jsonl")
ok "the key is on the token once" sh -c "pkcs11-tool --module '$tpm_module' --token-label Rehearsal --login --pin 71539264 -O --type privkey 2>/dev/null | grep -c '$label' | grep -qx 1"
ok "no PIN in the evidence" sh -c "! grep -rqa 71539264 '$T/x'"

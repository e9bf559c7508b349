#!/bin/bash
# A whole ceremony on another kind of token: tpm2-pkcs11 with a software TPM, which certifies the new key with the challenge inside; and what verify makes of evidence
# that isn't that.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/tpm.sh"
tpm_start "$T/tpm" || { echo "1..0 # SKIP $tpm_problem"; exit 0; }
plan 26

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

# A reviewer who knows no attestation key, but the TPM's maker: what ties the two together is the witness's credential, which the TPM opened in the ceremony.
tpm_maker "$T/tpm" >"$T/home/trust/vendor/tpm.yaml"
verdict >"$T/verdict"
ok "the TPM opened the witness's credential" check attestation.credential pass "from a secret that the order committed to"
opened=$(jq -c 'select(.type == "credential.activated").data' "$T/x/journal/events.jsonl")
ok "the statement says what it found, and for which keys" jq -e --argjson opened "$opened" '.derived.evidence.credential | .recovered == $opened.recovered and .ak_name == $opened.ak_name' "$T/x/statement.json"
found=$({ printf 'ceremony/credential/v1\n%s\n' "$(jq -r .ceremony "$T/x/evidence.json")"; echo "$opened" | jq -r '.ek_spki_sha256, .ak_name'; } |
  openssl dgst -sha256 -mac HMAC -macopt "hexkey:$(cat "$T/x/witness/challenge-secret")" | sed 's/.*= //')
ok "by hand: that follows from the disclosed secret" test "$found" = "$(echo "$opened" | jq -r .recovered)"
ok "the request to the witness names this ceremony" jq -e --arg id "$(jq -r .ceremony "$T/x/evidence.json")" '.ceremony == $id' "$T"/home/ceremonies/*/credential-request.json
mv "$T/tpm.yaml" "$T/home/trust/vendor/tpm.yaml"

label=$(jq -r 'select(.type == "ceremony.opened").data.label' "$T/x/journal/events.jsonl")
ok "the key is on the token once" sh -c "pkcs11-tool --module '$tpm_module' --token-label Rehearsal --login --pin 71539264 -O --type privkey 2>/dev/null | grep -c '$label' | grep -qx 1"
ok "no PIN in the evidence" sh -c "! grep -rqa 71539264 '$T/x'"

# A ceremony that its reviewer's CA holds with the maker's key alone.
rm -rf "$TPM2_PKCS11_STORE"/* && mkdir -p "$T/maker/trust/vendor" && tpm_maker "$T/tpm" >"$T/maker/trust/vendor/tpm.yaml"
tpm_token Rehearsal 71539264 >/dev/null 2>&1
ok "a ceremony with nothing enrolled but the maker of the TPM" ceremony rehearse --unattended --fast --home "$T/maker" --module "$tpm_module" --pin-file "$T/pin" </dev/null
tpm_flush
ceremony verify --no-video --json --trust "$T/maker/trust" "$T"/maker/ceremonies/*/20*.asice >"$T/verdict"
ok "is a genuine rehearsal" jq -e '.genuine and .device.attested' "$T/verdict"
ok "of the TPM that its maker certified" jq -e '.device.serial as $s | .checks[] | select(.id == "attestation") | .result == "pass" and (.reason | contains($s))' "$T/verdict"

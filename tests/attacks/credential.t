#!/bin/bash
# Credentials against real (software) TPMs: what `ceremony challenge credential` seals is opened by the TPM that it was sealed for, through the program and through
# tpm2-tools, and by no other; and whom the witness seals nothing to.
. "$(dirname "$0")/../e2e/lib.sh"
. "$ROOT/tests/e2e/tpm.sh"
for tool in tpm2_createek tpm2_activatecredential tpm2_startauthsession tpm2_policysecret python3; do
  command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not installed"; exit 0; }
done
[ -x "$B/tests/unit/test-credential" ] || { echo "1..0 # SKIP test-credential isn't built (make tests)"; exit 0; }
tpm_start "$T/tpm" || { echo "1..0 # SKIP $tpm_problem"; exit 0; }
plan 17
cd "$T" || exit 1

ok "the TPM opens what is sealed to its keys, and nothing else" env CEREMONY_TEST_TPM=1 "$B/tests/unit/test-credential" -p /credential/tpm --tap
tpm_flush

# By hand: a request as an appliance writes it, from what tpm2-tools read.
{
  tpm2_createek -c ek.ctx -G rsa -u ek.pub && tpm_flush
  tpm2_createprimary -C e -G ecc256:ecdsa-sha256:null -a 'restricted|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' -c ak.ctx && tpm_flush
  tpm2_readpublic -c ak.ctx -o ak.pub -n ak.name && tpm_flush
  tpm2_nvread 0x1c00002 -o ek.der && tpm_flush
} >log 2>&1 || bail "$(cat log)"
request () { printf '{"ak_public":"%s","ceremony":"%s","ek_certificate":"%s","format":"ceremony/credential-request/v1"}' "$(base64 -w0 "$1")" "$2" "$(base64 -w0 "$3")"; }
request ak.pub 2026-11-24-abcdefgh ek.der >request.json
openssl x509 -in tpm/ca/cert.pem -noout -pubkey >ca.pub
ek_rows () { printf 'anchors:\n  - {vendor: Test, use: tpm2-ek, name: "%s", spki: "%s", source: test}\n' "$1" "$(openssl pkey -pubin -in "$2" -outform DER | base64 -w0)"; }
maker=$(openssl x509 -in ek.der -inform DER -noout -issuer -nameopt RFC2253 | sed 's/^issuer=//')
ek_rows "$maker" ca.pub >maker.yaml
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2>/dev/null | openssl pkey -pubout >other.pub
ek_rows "$maker" other.pub >other.yaml

ceremony challenge new -o secret >/dev/null
ok "the witness makes a credential" ceremony challenge credential --secret-file secret --request request.json -o blob --vendors maker.yaml --json
cp out made.json
ok "and sees for which keys" jq -e --arg name "$(xxd -p -c 99 ak.name)" '.ak_name == $name and .maker_checked and .ceremony == "2026-11-24-abcdefgh"' made.json
ok "nobody else can read it" test "$(stat -c %a blob)" = 600
tpm2_startauthsession --policy-session -S session.ctx >/dev/null && tpm2_policysecret -S session.ctx -c e >/dev/null
ok "tpm2_activatecredential opens it" tpm2_activatecredential -c ak.ctx -C ek.ctx -i blob -o found -P session:session.ctx
tpm_flush
python3 - >expected <<'PY'
import hashlib, hmac, json
made = json.load(open("made.json"))
text = "ceremony/credential/v1\n%s\n%s\n%s\n" % (made["ceremony"], made["ek_spki_sha256"], made["ak_name"])
print(hmac.new(bytes.fromhex(open("secret").read().strip()), text.encode(), hashlib.sha256).hexdigest(), end="")
PY
ok "and finds what follows from the witness's secret" test "$(xxd -p -c 99 found)" = "$(cat expected)"
exits 2 "a file that exists isn't overwritten" ceremony challenge credential --secret-file secret --request request.json -o blob

# An attestation key of another make, and one that can leave.
tpm2_createprimary -C o -G ecc256 -c loose.ctx >/dev/null && tpm2_readpublic -c loose.ctx -o loose.pub >/dev/null
tpm_flush
request loose.pub 2026-11-24-abcdefgh ek.der >loose.json
exits 1 "nothing is sealed to a key that is no attestation key" ceremony challenge credential --secret-file secret --request loose.json -o loose
says "isn't a TPM's attestation key" "and it is told why"
exits 1 "nor to the TPM of a maker whom the witness doesn't believe" ceremony challenge credential --secret-file secret --request request.json -o other --vendors other.yaml
says "isn't signed by that vendor's key" "because of that"
openssl req -x509 -newkey rsa:2048 -nodes -keyout soft.pem -subj /CN=soft -addext "extendedKeyUsage=2.23.133.8.1" -outform DER -out soft.der 2>/dev/null
request ak.pub 2026-11-24-abcdefgh soft.der >soft.json
exits 1 "nor to an endorsement key in software" ceremony challenge credential --secret-file secret --request soft.json -o soft --vendors maker.yaml
says "maker whom you believe" "which no maker vouches for"
exits 2 "rubbish is no request" ceremony challenge credential --secret-file secret --request secret -o rubbish
echo 1234 >short
exits 2 "a secret must be one" ceremony challenge credential --secret-file short --request request.json -o rubbish
says "64 hex digits" "of 64 digits"
exits 2 "and without a request nothing is made" ceremony challenge credential --secret-file secret -o rubbish

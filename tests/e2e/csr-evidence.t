#!/usr/bin/env bash
# The device's evidence inside the request: collected before the request is made, put in as Yubico's tools do and as the IETF's draft says, found and judged again from the
# request alone. The YubiKey is a test's own, with a root that the test trusts; the TPM is a software one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/keys.sh"
. "$(dirname "$0")/tpm.sh"
bundle_of () { ls "$1"/ceremonies/*/20*.asice; }

# script FORM: the script that comes with the program, its evidence before its request, which carries it.
script () {
  python3 - "$ROOT/scripts/code-signing.yaml" "$1" "${2:-}" <<'PY'
import sys
text, form, files = open(sys.argv[1]).read(), sys.argv[2], sys.argv[3]
cut = lambda a, b: text[text.index("  - id: " + a):text.index("  - id: " + b)]
request, evidence = cut("request", "evidence"), cut("evidence", "unplug")
first = evidence.replace("    act: attest\n", "    act: attest\n    with: {files: \"\"}\n") if files else evidence
print(text.replace(request + evidence, first + request.replace("    act: request\n", f"    act: request\n    with: {{attestation: {form}}}\n")), end="")
PY
}

# A YubiKey's root, its own certificate (slot f9), and the root as a vendor's key.
maker () {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out root.key 2>/dev/null; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out f9.key 2>/dev/null
  openssl req -x509 -new -key root.key -subj "/CN=Yubico PIV Root CA Test" -days 30 -out root.crt
  printf 'basicConstraints=critical,CA:TRUE,pathlen:0\n' >f9.ext
  openssl req -new -key f9.key -subj "/CN=Yubico PIV Attestation" -out f9.req && openssl x509 -req -in f9.req -CA root.crt -CAkey root.key -CAcreateserial -extfile f9.ext -days 30 -out f9.crt 2>/dev/null
  printf 'anchors:\n  - {vendor: Test, use: yubikey-piv, name: "CN=Yubico PIV Root CA Test", spki: "%s", source: test}\n' "$(openssl pkey -in root.key -pubout -outform DER | base64 -w0)" >vendor.yaml
}
# attested FILE: the key of this ceremony, attested by that YubiKey (one of the old ones, which tell no serial number), with the device's certificate.
attested () {
  sqlite3 -readonly "$(journal_of "$S")" "select line from events where line like '%\"type\":\"key.generated\"}'" | python3 -c 'import base64, json, sys
sys.stdout.buffer.write(base64.b64decode(json.loads(sys.stdin.readline())["data"]["spki"]))' | openssl pkey -pubin -inform DER -out key.pub
  printf '1.3.6.1.4.1.41482.3.3=DER:050204\n1.3.6.1.4.1.41482.3.8=DER:0201\n' >leaf.ext
  openssl req -new -key f9.key -subj "/CN=YubiKey PIV Attestation 9c" -out leaf.req
  openssl x509 -req -in leaf.req -force_pubkey key.pub -CA f9.crt -CAkey f9.key -CAcreateserial -extfile leaf.ext -days 30 -out leaf.crt 2>/dev/null && cat leaf.crt f9.crt >"$1"
}

carried () {   # FORM OID
  cd "$S" || exit 1
  maker; mkdir -p trust/vendor; cp vendor.yaml trust/vendor/test.yaml
  script "$1" >script.yaml
  launch 100 30 "ceremony rehearse '$S/script.yaml' --fast --home '$S'"
  wait_for 'Press Enter to begin' && keys Enter && wait_for 'Welcome'
  ok "up to the device's evidence" until_seen "$S" 'Which file holds evidence' 120
  ok "which its maker attests" attested "$S/evidence.pem"
  type_text "$S/evidence.pem"; keys Enter
  ok "it is asked for more" wait_for '1 files so far' 10
  ok "the request says that it carries it" until_seen "$S" "carries the device's evidence: $1" 60
  ok "to the end" until_seen "$S" 'exit status' 160
  ok "genuine, and attested" results "$(bundle_of "$S")" "$S/trust" genuine=true fail-only= pass=attestation pass=key.request pass=key.history
  mkdir x; unzip -q -d x "$(bundle_of "$S")"
  ok "openssl shows it in the request" sh -c "openssl req -in x/key/request.csr -noout -verify -text 2>/dev/null | grep -q '$2'"
  ok "from the request alone it is found and judged" ceremony attest --vendors vendor.yaml x/key/request.csr
  says 'genuine: Yubico' "as Yubico's word"
  ok "by whoever doesn't know its maker it is refused" sh -c '! ceremony attest x/key/request.csr'
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -subj /CN=other -out other.csr 2>/dev/null
  ok "beside another request it is refused" sh -c '! ceremony attest --vendors vendor.yaml --csr other.csr x/key/attestation/*'
  ok "the statement says so" python3 -c 'import json, sys; sys.exit(json.load(open("x/statement.json"))["derived"]["evidence"]["request"]["attestation"] != sys.argv[1])' "$1"
}
yubico () { carried yubico '1.3.6.1.4.1.41482.3.1:'; }
ietf () { carried ietf '1.2.840.113549.1.9.16.2.59\|id-aa-'; }

# Nothing there to carry: the request is made without, and nothing claims otherwise.
nothing () {
  script yubico files >"$S/script.yaml"
  ok "without evidence the ceremony goes through" rehearse "$S" "$S/script.yaml"
  ok "and is genuine" results "$(bundle_of "$S")" "$S/trust" genuine=true fail-only= skipped=attestation
  ok "nothing says that the request carries any" sh -c "! unzip -p '$(bundle_of "$S")' journal/events.jsonl | grep '\"type\":\"request.made\"' | grep -q attestation"
  sed 's/attestation: yubico/attestation: post/' "$S/script.yaml" >"$S/wrong.yaml"
  exits 1 "another form is none" ceremony script check "$S/wrong.yaml"
  says 'attestation: one of none, yubico, ietf' "which is said"
  sed 's/^    act: request$/&\n    with: {attestation: ietf}/' "$ROOT/scripts/code-signing.yaml" >"$S/late.yaml"
  exits 1 "evidence that comes after the request can't be in it" ceremony script check "$S/late.yaml"
  says '"attest" must come before "request"' "which is said"
}

tpm () {
  tpm_start "$S/tpm" || { ok "a software TPM: $tpm_problem: skipped" true; return; }
  ok "a token in the software TPM" tpm_token Rehearsal 71539264
  tpm_ak "$S/tpm/ak.pem"; mkdir -p "$S/trust/vendor"; tpm_pin "$S/tpm/ak.pem" >"$S/trust/vendor/tpm.yaml"; echo 71539264 >"$S/pin"
  script ietf files >"$S/script.yaml"
  ok "a TPM's certification goes into the request" rehearse "$S" "$S/script.yaml" --module "$tpm_module" --pin-file "$S/pin"
  tpm_flush
  ok "attested" results "$(bundle_of "$S")" "$S/trust" pass=attestation pass=key.request pass=key.history
  unzip -p "$(bundle_of "$S")" key/request.csr >"$S/request.csr"
  challenge=$(unzip -p "$(bundle_of "$S")" journal/events.jsonl | sed -n 's/.*"challenge":"\([0-9a-f]*\)".*"type":"challenge.given".*/\1/p')
  ok "from the request alone it is found and judged, with the challenge in it" ceremony attest --vendors "$S/trust/vendor/tpm.yaml" --challenge "$challenge" "$S/request.csr"
  says 'genuine: TPM 2.0' "as the TPM's word"
  exits 1 "and refused for another challenge" ceremony attest --vendors "$S/trust/vendor/tpm.yaml" --challenge 0011223344556677 "$S/request.csr"
}

for s in yubico ietf nothing tpm; do scenario $s; done
scenarios_end

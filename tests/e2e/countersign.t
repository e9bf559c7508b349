#!/usr/bin/env bash
# A signing service: its countersignature and declaration made and judged as loose files, checked with openssl alone, and in a ceremony: signed here, brought from
# elsewhere, killed on the way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/keys.sh"
command -v softhsm2-util >/dev/null || bail "softhsm2-util isn't there"
FACTS=$ROOT/scripts/signing-service-facts.yaml
HSM=/usr/lib/softhsm/libsofthsm2.so

# role NAME [DAYS]: key and self-signed certificate in NAME.pem, the certificate in NAME.crt.
role () {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" 2>/dev/null
  openssl req -x509 -new -key "$1.key" -subj "/O=Example Signing/CN=$1" -days "${2:-30}" -out "$1.crt" && cat "$1.key" "$1.crt" >"$1.pem"
}
request () {   # NAME
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -subj "/C=DE/O=Example GmbH/CN=$1" -out "$1.csr" 2>/dev/null
}
# checked STATUS RULE… -- OPTION…: what --check --json says. RESULT=CHECK, or says=TEXT of any reason.
checked () {
  local status=$1 got rules=(); shift
  while [ "$1" != -- ]; do rules+=("$1"); shift; done; shift
  ceremony countersign --check --json "$@" >"$T/checked"; got=$?
  cat "$T/checked"
  [ "$got" = "$status" ] && python3 - "$T/checked" "${rules[@]}" <<'PY'
import json, sys
v = json.load(open(sys.argv[1]))
of = {c["id"].split(".")[1]: c for c in v["checks"]}
for rule in sys.argv[2:]:
    what, value = rule.split("=", 1)
    good = any(value in c["reason"] for c in v["checks"]) if what == "says" else of[value]["result"] == what
    if not good:
        sys.exit("not so: " + rule)
PY
}

loose () {
  cd "$T" || exit 1
  role service; role stranger; role witness
  request one; request two
  mkdir -p trust/service trust/witness; cp service.crt trust/service/; mv trust/service/service.crt trust/service/service.pem; cp witness.crt trust/witness/witness.pem
  for d in a b c d e f; do mkdir $d; cp one.csr $d/; done
  exits 0 "a request is countersigned" ceremony countersign a/one.csr --declaration "$FACTS" --key service.pem
  says 'request.p7s' "and it is said where"
  ok "genuine, trusted, declared, of a suitable module" checked 0 pass=signature pass=trust pass=declaration pass=module -- a/one.csr --trust trust
  ok "stock openssl takes it" openssl cms -verify -cades -binary -purpose any -inform DER -in a/request.p7s -content a/one.csr -CAfile service.crt -out /dev/null
  ok "and shows the declaration's digest" sh -c "openssl asn1parse -inform DER -in a/request.p7s | grep -qi \$(sha256sum <a/declaration.json | cut -c 1-64)"
  not_ok "another request isn't what was signed" openssl cms -verify -cades -binary -purpose any -inform DER -in a/request.p7s -content two.csr -CAfile service.crt -out /dev/null
  before=$(sha256sum a/*)
  exits 2 "nothing is written over" ceremony countersign a/one.csr --declaration "$FACTS" --key service.pem
  says 'there already' "which is said"
  ok "really nothing" test "$before" = "$(sha256sum a/*)"
  touch b/declaration.json
  exits 2 "nor over a declaration alone" ceremony countersign b/one.csr --declaration "$FACTS" --key service.pem
  ok "and no half is left" test ! -e b/request.p7s

  ok "of another request: refused" checked 1 fail=signature "says=of another request" -- two.csr --countersignature a/request.p7s --declaration a/declaration.json --trust trust
  openssl req -in a/one.csr -outform DER -out one.der
  ok "the same request in another form isn't the file" checked 1 fail=signature "says=byte for byte" -- one.der --countersignature a/request.p7s --declaration a/declaration.json --trust trust
  ceremony countersign c/one.csr --declaration "$FACTS" --key stranger.pem >/dev/null
  ok "by a stranger: refused" checked 1 pass=signature fail=trust pass=declaration "says=nobody trusted as service" -- c/one.csr --trust trust
  ceremony countersign d/one.csr --declaration "$FACTS" --key witness.pem >/dev/null
  ok "by a witness: refused" checked 1 fail=trust "says=pinned as witness" -- d/one.csr --trust trust
  mv c/declaration.json c/away
  ok "without its declaration: refused" checked 1 pass=signature fail=declaration skipped=module "says=isn't there" -- c/one.csr --trust trust
  ok "with another declaration: refused" checked 1 pass=signature fail=declaration "says=isn't the one" -- a/one.csr --declaration c/away --trust trust
  ok "with nobody trusted: refused" checked 1 fail=trust "says=--trust" -- a/one.csr
  ok "without a countersignature: refused" checked 1 fail=signature "says=no countersignature" -- two.csr --trust trust
  exits 2 "a countersignature that is named must be there" ceremony countersign --check a/one.csr --countersignature none.p7s --trust trust
  openssl req -new -key service.key -subj "/CN=service" -out expired.req && openssl x509 -req -in expired.req -signkey service.key -days -1 -out expired.crt 2>/dev/null
  cat service.key expired.crt >expired.pem
  ceremony countersign e/one.csr --declaration "$FACTS" --key expired.pem >/dev/null
  ok "under an expired certificate: refused" checked 1 pass=signature fail=trust "says=expired" -- e/one.csr --trust trust
  sed 's/  level: "3"/  level: "2"/' "$FACTS" >low.yaml; sed 's/model: Luna K7/model: Onyx/' "$FACTS" >unknown.yaml
  ceremony countersign f/one.csr --declaration low.yaml --key service.pem >/dev/null
  ok "of a module of level 2: refused" checked 1 pass=signature pass=trust pass=declaration fail=module -- f/one.csr --trust trust
  mkdir g; ceremony countersign one.csr -o g --declaration unknown.yaml --key service.pem >/dev/null
  ok "of a module that no list knows: a person decides" checked 3 warn=module -- one.csr -o g --trust trust
  ok "every byte of the countersignature counts" every_byte a/request.p7s signature
  ok "and of the declaration" every_byte a/declaration.json declaration

  sed 's/multi-factor/passwords/; s/^  country: DE/  land: DE/' "$FACTS" >wrong.yaml
  exits 2 "facts with mistakes: nothing is signed" ceremony countersign one.csr -o b --declaration wrong.yaml --key service.pem
  says 'wrong.yaml:[0-9]+:[0-9]+: kind: one of multi-factor, server-to-server' "each with line and column"
  says 'wrong.yaml:[0-9]+:[0-9]+: service.land: there is no such fact' "the unknown one too"
  says 'service.country is missing' "and the missing one"
  python3 -c 'import json; json.dump({"format": "ceremony/signing-service/v1"}, open("some.json", "w"))'
  exits 2 "facts in JSON are read alike" ceremony countersign one.csr -o b --declaration some.json --key service.pem
  says 'declared_by is missing' "with what is missing"
  openssl req -new -newkey rsa:2048 -nodes -keyout weak.key -subj /CN=weak -out weak.csr 2>/dev/null
  exits 1 "a key that no CA may certify isn't countersigned" ceremony countersign weak.csr --declaration "$FACTS" --key service.pem
  says 'CSBR' "and the rule is named"
  exits 1 "nor a private key" ceremony countersign one.key --declaration "$FACTS" --key service.pem
  head -c 300 /dev/urandom >noise
  exits 2 "nor noise" ceremony countersign noise --declaration "$FACTS" --key service.pem
  exits 2 "a signer must be named" ceremony countersign one.csr --declaration "$FACTS"
  ok "and nothing was written" test ! -e request.p7s

  # By a key on a token, over DER.
  mkdir hsm der; printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$T/hsm" >hsm.conf
  export SOFTHSM2_CONF=$T/hsm.conf
  softhsm2-util --init-token --free --label Service --pin 271828 --so-pin 87654321 >/dev/null; echo 271828 >pin
  openssl pkcs8 -in service.key -topk8 -nocrypt -outform DER -out service.der; openssl x509 -in service.crt -outform DER -out service.crt.der
  pkcs11-tool --module $HSM --token-label Service --login --pin 271828 --write-object service.der --type privkey --id 01 --label countersigning --usage-sign >/dev/null 2>&1
  pkcs11-tool --module $HSM --token-label Service --login --pin 271828 --write-object service.crt.der --type cert --id 01 --label countersigning >/dev/null 2>&1
  exits 0 "a token countersigns" ceremony countersign one.der -o der --declaration "$FACTS" --token 'pkcs11:token=Service;object=countersigning' --module $HSM --passphrase-file pin --json
  ok "a request in DER" checked 0 pass=signature pass=trust -- one.der -o der --trust trust
}
# Some forty places of a file changed, one at a time: each refused by that check.
every_byte () {
  python3 - "$1" "$2" <<'PY'
import json, subprocess, sys
path, check = sys.argv[1:]
data = open(path, "rb").read()
option = "--countersignature" if path.endswith("p7s") else "--declaration"
for at in range(0, len(data), len(data) // 40):
    open("flipped", "wb").write(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    p = subprocess.run(["ceremony", "countersign", "--check", "--json", "a/one.csr", option, "flipped", "--trust", "trust"], capture_output=True)
    failed = [c["id"] for c in json.loads(p.stdout)["checks"] if c["result"] == "fail"]
    if p.returncode != 1 or failed != ["service." + check]:
        sys.exit(f"byte {at}: {p.returncode} {failed}")
PY
}

# ── in ceremonies ──

bundle_of () { ls "$1"/ceremonies/*/20*.asice; }
folder_of () { dirname "$(journal_of "$1")"; }
SCRIPT=$ROOT/scripts/signing-service.yaml

here () {
  ok "a ceremony with a signing service goes through" rehearse "$S" "$SCRIPT"
  ok "nothing fails, and its checks pass" results "$(bundle_of "$S")" "$S/trust" genuine=true fail-only= pass=service.signature pass=service.trust pass=service.declaration
  mkdir "$S/x"; cd "$S/x" && unzip -q "$(bundle_of "$S")"
  ok "openssl takes what lies in the bundle" openssl cms -verify -cades -binary -purpose any -inform DER -in key/request.p7s -content key/request.csr -CAfile "$S/trust/service/rehearsal.pem" -out /dev/null
  ok "the loose files are judged alike" checked 0 pass=signature pass=trust pass=declaration pass=module -- key/request.csr --trust "$S/trust"
  ok "the statement names method, service and digests" python3 -c '
import hashlib, json
s = json.load(open("statement.json"))["derived"]; c = s["evidence"]["countersignature"]; e = json.load(open("evidence.json"))["key"]
sha = lambda name: hashlib.sha256(open(name, "rb").read()).hexdigest()
assert s["identity"]["method"] == "6.2.7.4.2-7", s["identity"]
assert c["service"]["name"] == "Example Signing" and c["authentication"] == "multi-factor" and c["module"]["level"] == "3", c
assert c["signature_sha256"] == e["countersignature_sha256"] == sha("key/request.p7s") and c["declaration_sha256"] == e["declaration_sha256"] == sha("key/declaration.json")'
  ok "the page of verifying by hand says the same" sh -c "awk '/^if \[ -e key\/request.p7s/ { f = 1 } f { print } /^fi\$/ { f = 0 }' '$ROOT/docs/verify-by-hand.md' >../hand.sh && [ -s ../hand.sh ] && bash -e -o pipefail ../hand.sh"
  cp -r "$S/trust" "$S/nobody"; rm -r "$S/nobody/service"
  ok "where nobody is trusted as a service it is refused" fails_only "$(bundle_of "$S")" "$S/nobody" service.trust
  plain=$(rehearsed_bundle)
  sed 's/^attestation_required: false/attestation_required: false\ncountersignature_required: true/' "$ROOT/scripts/rehearsal-policy.yaml" >"$S/asks.yaml"
  ok "a policy that asks for one refuses a bundle without" sh -c "ceremony verify --json --policy '$S/asks.yaml' --trust '$(trust_of "$plain")' '$plain' | python3 -c '
import json, sys
v = json.load(sys.stdin); v = v[0] if isinstance(v, list) else v
assert {c[\"id\"] for c in v[\"checks\"] if c[\"result\"] == \"fail\"} == {\"service.signature\", \"rehearsal\"}'"
}

# Brought from the service's own machine, by keys: the wrong files first.
brought () {
  sed 's/^local_countersignature:.*/local_countersignature: never/' "$ROOT/scripts/rehearsal-policy.yaml" >"$S/policy.yaml"
  cd "$S" || exit 1
  launch 100 30 "ceremony rehearse '$SCRIPT' --fast --home '$S' --policy '$S/policy.yaml'"
  wait_for 'Press Enter to begin' && keys Enter && wait_for 'Welcome'
  ok "up to the signing service" until_seen "$S" 'folder with the signing service' 120
  request other; mkdir wrong right
  ceremony countersign other.csr -o wrong --declaration "$FACTS" --key "$S/rehearsal/service.pem" >/dev/null
  ok "the service countersigns the ceremony's request" ceremony countersign "$(folder_of "$S")/key/request.csr" -o right --declaration "$FACTS" --key "$S/rehearsal/service.pem"
  type_text "$S/none"; keys Enter
  ok "a folder that isn't there is told" tells 'none' 10
  type_text "$S/wrong"; keys Enter
  ok "files of another request are told" tells 'of another request' 10
  not_ok "and not taken" test -e "$(folder_of "$S")/key/request.p7s"
  type_text "$S/right"; keys Enter
  ok "the declaration is shown" wait_for 'Subscribers apart' 10
  ok "to the end" until_seen "$S" 'exit status' 160
  ok "genuine" results "$(bundle_of "$S")" "$S/trust" genuine=true fail-only= pass=service.signature pass=service.trust pass=service.declaration
  ok "it is told that the files were brought" event "$S" '"how":"brought".*"type":"request.countersigned"'
}

killed () {   # WHEN
  LD_PRELOAD=$B/tests/lib/kill-at.so KILL_AT_TYPE=request.countersigned KILL_WHEN=$1 timeout 60 ceremony rehearse "$SCRIPT" --unattended --fast --home "$S" </dev/null >"$S/log" 2>&1
  ok "the program is gone" sh -c "! ls '$S'/ceremonies/*/20*.asice"
  ok "it goes on" resumes "$S"
  ok "genuine but for the interruption" results "$(bundle_of "$S")" "$S/trust" genuine=true fail-only= pass=service.signature pass=service.declaration warn=interruptions
  ok "countersigned once" test "$(sqlite3 -readonly "$(journal_of "$S")" "select count(*) from events where line like '%\"type\":\"request.countersigned\"}'")" = 1
}
killed_before () { killed before; }
killed_after () { killed after; }

for s in loose here brought killed_before killed_after; do scenario $s; done
scenarios_end

#!/usr/bin/env bash
# Who is believed: nobody by default, each only in their role, a stranger never; and of whose certificates.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/keys.sh"
S=$T
plan 22
bundle=$(rehearsed_bundle) || bail "no rehearsal to judge"
trust=$(trust_of "$bundle")

ok "by the right ones it is genuine" results "$bundle" "$trust" genuine=true fail-only=
mkdir "$T/empty"
ok "nobody is trusted by an empty folder" fails_only "$bundle" "$T/empty" signature.appliance signature.witness appliance.note_key order.trust
ok "nor without one" sh -c "! ceremony verify --json '$bundle' >'$T/verdict' && python3 -c '
import json; v = json.load(open(\"$T/verdict\")); v = v[0] if isinstance(v, list) else v
assert {\"signature.appliance\", \"signature.witness\", \"order.trust\"} <= {c[\"id\"] for c in v[\"checks\"] if c[\"result\"] == \"fail\"}'"

# variant NAME: a copy of the trust folder to change.
variant () { rm -rf "$T/$1"; cp -r "$trust" "$T/$1"; V=$T/$1; }
variant moved; mv "$V/witness/rehearsal.pem" "$V/appliance/witness.pem"
ok "a witness's certificate under appliance/ makes no witness" fails_only "$bundle" "$V" signature.witness
variant crossed; mv "$V/witness/rehearsal.pem" "$T/w.pem"; mv "$V/appliance/cert.pem" "$V/witness/"; mv "$T/w.pem" "$V/appliance/cert.pem"
ok "witness and appliance crossed: both are refused" fails_only "$bundle" "$V" signature.appliance signature.witness
variant reviewer; mkdir "$V/reviewer"; mv "$V/witness/rehearsal.pem" "$V/reviewer/"
ok "a reviewer's certificate makes no witness" fails_only "$bundle" "$V" signature.witness
variant ordered; mv "$V/order/rehearsal.pem" "$V/witness/ca.pem"
ok "a witness can't order" fails_only "$bundle" "$V" order.trust
variant note; rm "$V/appliance/note.pem"
ok "an appliance whose note key isn't enrolled is refused" fails_only "$bundle" "$V" appliance.note_key
variant junk; head -c 300 /dev/urandom >"$V/witness/rehearsal.pem"
exits 2 "a trust folder that can't be read is no trust folder" ceremony verify --trust "$V" "$bundle"
says 'rehearsal.pem' "and the file is named"

# Another order's bundle: of another rehearsal, with other people, keys and CA.
other=$(rehearse "$T/other") || bail "no second rehearsal"
ok "another order's bundle is refused by all four" fails_only "$other" "$trust" signature.appliance signature.witness appliance.note_key order.trust
variant half; cp "$T/other/trust/order/rehearsal.pem" "$V/order/other.pem"; cp "$T/other/trust/witness/rehearsal.pem" "$V/witness/other.pem"
ok "with its CA and witness trusted, its appliance still isn't" fails_only "$other" "$V" signature.appliance appliance.note_key

# Witnesses by issuer and EKU. Evidence that no witness has signed yet, sealed by several.
sed 's/^local_seal:.*/local_seal: never/' "$ROOT/scripts/rehearsal-policy.yaml" >"$T/policy.yaml"
evidence=$(rehearse "$T/unsealed" --policy "$T/policy.yaml") || bail "no evidence"
cd "$T" || exit 1
EKU=1.3.6.1.4.1.99999.1.1
issue () {   # NAME DAYS EXTENSIONS
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" 2>/dev/null
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr" && printf "basicConstraints=CA:FALSE\n$3" >"$1.ext" &&
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days "$2" -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  openssl pkcs8 -topk8 -nocrypt -in "$1.key" -out "$1.p8" && cat "$1.p8" "$1.crt" ca.crt >"$1.pem"
}
openssl ecparam -name prime256v1 -genkey -noout -out ca.key 2>/dev/null
openssl req -x509 -new -key ca.key -subj "/CN=Test CA" -days 3650 -addext basicConstraints=critical,CA:TRUE -out ca.crt
issue witness 30 "extendedKeyUsage=$EKU\n"
issue stranger 30 "extendedKeyUsage=codeSigning\n"
issue expired -1 "extendedKeyUsage=$EKU\n"
cp -r "$T/unsealed/trust" issuer; rm issuer/witness/rehearsal.pem; cp ca.crt issuer/witness/; printf 'issuer: ca.crt\neku: %s\nnote: our auditors\n' "$EKU" >issuer/witness/auditors.yaml
sealed () { cp "$evidence" "$1.asice" && ceremony seal "$1.asice" --trust issuer --key "$1.pem" --secret-file "$T/unsealed/rehearsal/challenge-secret" --opinion witnessed; }
ok "a witness by issuer and EKU signs" sealed witness
ok "and is believed" results witness.asice issuer genuine=true fail-only= warn=witness.key_place
ok "a stranger of the same CA can sign" sealed stranger
ok "and is nobody" fails_only stranger.asice issuer signature.witness
says "EKU $EKU" "the missing EKU is named"
sealed expired >/dev/null 2>"$T/expired.log" && ok "an expired witness isn't believed" fails_only expired.asice issuer signature.witness || ok "an expired witness is told before signing" grep -q 'expired' "$T/expired.log"

# The appliance signs as the witness too: whoever holds the appliance would be both.
cat unsealed/appliance/cms-key.pem unsealed/appliance/cms-cert.pem >appliance.pem
ok "the appliance's key can sign a statement" sealed appliance
ok "but isn't the witness's" fails_only appliance.asice issuer signature.witness signature.chain
cp -r issuer both; cp unsealed/trust/appliance/cert.pem both/witness/
ok "not even where somebody pinned it as both" fails_only appliance.asice both signature.chain
printf 'issuer: ca.crt\n' >issuer/witness/auditors.yaml
exits 2 "an issuer without EKU or policy, which would trust all of its customers, is refused" ceremony verify --trust issuer witness.asice

#!/bin/bash
# Makes the seeds that hold signatures anew, after a change of format: containers, manifests, signatures, timestamps, orders, a bundle. The rest of
# tests/fuzz/seeds is written by hand. Needs a built program, openssl, python3 and what a rehearsal needs. Throw-away keys; none is kept.
set -eu
cd "$(dirname "$0")/../.."
PATH=$PWD/build:$PATH
export CEREMONY_MEDIA=$PWD/build/ceremony-media
seeds=$PWD/tests/fuzz/seeds
T=$(mktemp -d)
trap 'rm -rf "$T"' EXIT
rm -rf "$seeds"/{asice,manifest,cades,tsa,order,trust,bundle,clip}
mkdir -p "$seeds"/{asice,manifest,cades,tsa,order,trust,bundle,clip}

# The files of a container, as harness.h splits them. Recordings are cut short: their bytes are data to hash, whatever they are.
cat >"$T/parts.py" <<'P'
import sys, zipfile
out = open(sys.argv[2], 'wb')
first = True
with zipfile.ZipFile(sys.argv[1]) as z:
    for info in z.infolist():
        data = z.read(info)
        if info.filename.startswith(('video/', 'terminal/')):
            data = data[:600]
        out.write((b'' if first else b'\n') + b'%%% ' + info.filename.encode() + b'\n' + data)
        first = False
P

# Three CAs give the same order: one manifest, three signatures over it.
pushd "$T" >/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -subj /CN=Root -days 36500 2>/dev/null
leaf () {
  local name=$1; shift
  openssl genpkey "$@" -out $name.key 2>/dev/null
  openssl req -new -key $name.key -subj "/O=Example/CN=$name" -out $name.csr
  printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n' >leaf.ext
  openssl x509 -req -in $name.csr -CA root.crt -CAkey root.key -CAcreateserial -extfile leaf.ext -days 36500 -out $name.crt 2>/dev/null
  cat $name.key $name.crt root.crt >$name.pem
}
leaf p256 -algorithm EC -pkeyopt ec_paramgen_curve:P-256
leaf p384 -algorithm EC -pkeyopt ec_paramgen_curve:P-384
leaf rsa -algorithm RSA -pkeyopt rsa_keygen_bits:3072
cat >fields.yaml <<'F'
id: fuzz-1
ca_domain: ca.example
issued: "2026-11-24T12:00:00.000Z"
valid_from: "2026-11-24T12:00:00.000Z"
valid_to: "2036-11-24T12:00:00.000Z"
subscriber: {name: "Example GmbH", country: DE, registration: "HRB 1"}
label: "code signing"
subject: "CN=Example GmbH,C=DE"
challenge_commitment: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
appliance: {note_key: "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", spki_sha256: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}
witness: {name: "Wilma Example", employer: "Example CA", spki_sha256: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}
token_uri: "pkcs11:token=Fuzz"
place: Bonn
region: DE-NW
F
popd >/dev/null
for ca in p256 p384 rsa; do
  ceremony order new -o "$T/$ca.asice" --script scripts/code-signing.yaml --policy scripts/default-policy.yaml --fields "$T/fields.yaml" --key "$T/$ca.pem" >/dev/null
  unzip -q -o "$T/$ca.asice" -d "$T/$ca"
  cp "$T/$ca/META-INF/signature001.p7s" "$seeds/cades/$ca"
done
cp "$T/p256/META-INF/ASiCManifest001.xml" "$seeds/manifest/order"
cmp "$T/rsa/META-INF/ASiCManifest001.xml" "$seeds/manifest/order"
python3 "$T/parts.py" "$T/p256.asice" "$seeds/order/p256"
cp "$T/p256.asice" "$seeds/asice/order"
{ printf '%%%%%% a.yaml\nissuer: a.crt\neku: 1.3.6.1.5.5.7.3.3\nnote: staff\n%%%%%% a.crt\n'; cat "$T/root.crt"
  printf '%%%%%% b.pem\n'; openssl pkey -in "$T/p256.key" -pubout; cat "$T/p384.crt"; } >"$seeds/trust/one"

# Timestamps over harness tsa's text, by a TSA with its issuer and without.
cd "$T"
printf 'extendedKeyUsage=critical,timeStamping\n' >tsa.ext
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.csr -subj /CN=TSA 2>/dev/null
openssl x509 -req -in tsa.csr -CA root.crt -CAkey root.key -CAcreateserial -extfile tsa.ext -days 36500 -out tsa.crt 2>/dev/null
printf "a checkpoint's note\n" >note
echo 01 >serial
printf '%s\n' '[tsa]' default_tsa=t '[t]' "serial=$T/serial" "signer_cert=$T/tsa.crt" "signer_key=$T/tsa.key" "certs=$T/root.crt" signer_digest=sha256 default_policy=1.2.3.4.1 \
  digests=sha256 accuracy=secs:1 ess_cert_id_chain=no ess_cert_id_alg=sha256 ordering=no tsa_name=no >tsa.cnf
openssl ts -query -data note -sha256 -cert -out q 2>/dev/null
openssl ts -reply -config tsa.cnf -queryfile q -out "$seeds/tsa/response" 2>/dev/null
openssl ts -reply -config tsa.cnf -queryfile q -token_out -out "$seeds/tsa/token" 2>/dev/null
cd - >/dev/null

ceremony rehearse --unattended --fast --home "$T/home" </dev/null >/dev/null
bundle=$(ls "$T"/home/ceremonies/*/????-??-??-????????.asice)
python3 "$T/parts.py" "$bundle" "$seeds/bundle/rehearsal"
unzip -p "$bundle" META-INF/ASiCManifest002.xml >"$seeds/manifest/bundle"
# A forged clip: its video is small, and all its proofs hold.
CLIP_SEED=$T/forged.clip build/tests/unit/test-clip -p /clip/genuine >/dev/null
python3 "$T/parts.py" "$T/forged.clip" "$seeds/clip/forged"
ls -l "$seeds"/{asice,manifest,cades,tsa,order,trust,bundle,clip}/*

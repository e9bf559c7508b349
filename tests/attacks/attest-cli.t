#!/bin/bash
# ceremony attest and ceremony keycheck from outside: exit statuses, one answer with and without --json, messages for what can't be read.
. "$(dirname "$0")/../e2e/lib.sh"
cd "$ROOT" || exit 1
plan 33
head -c 700 /dev/urandom >"$T/rubbish"
: >"$T/empty"
openssl ecparam -name prime256v1 -genkey -noout -out "$T/key.pem" 2>/dev/null
openssl pkey -in "$T/key.pem" -pubout -out "$T/pub.pem" 2>/dev/null
openssl pkey -in "$T/key.pem" -outform DER -out "$T/key.der" 2>/dev/null
openssl req -new -key "$T/key.pem" -subj /CN=x -out "$T/x.csr" 2>/dev/null
openssl req -new -x509 -key "$T/key.pem" -subj /CN=x -out "$T/x.pem" 2>/dev/null
head -c 150 "$T/x.csr" >"$T/cut.csr"
openssl ecparam -name secp256k1 -genkey -noout 2>/dev/null | openssl pkey -pubout -out "$T/k1.pem" 2>/dev/null

for option in "" --json; do
  exits 2 "attest $option: rubbish" ceremony attest $option "$T/rubbish"
  exits 2 "attest $option: an empty file" ceremony attest $option "$T/empty"
  exits 2 "attest $option: a file that isn't there" ceremony attest $option "$T/nowhere"
  exits 2 "attest $option: a folder" ceremony attest $option "$T"
  exits 2 "attest $option: a cut request" ceremony attest $option "$T/cut.csr"
  exits 1 "attest $option: a request without attestation" ceremony attest $option "$T/x.csr"
  exits 1 "attest $option: a certificate that is no attestation" ceremony attest $option "$T/x.pem"
  exits 2 "keycheck $option: rubbish" ceremony keycheck $option "$T/rubbish"
  exits 2 "keycheck $option: an empty file" ceremony keycheck $option "$T/empty"
  exits 2 "keycheck $option: a cut request" ceremony keycheck $option "$T/cut.csr"
  exits 0 "keycheck $option: a good request" ceremony keycheck $option "$T/x.csr"
  exits 1 "keycheck $option: secp256k1" ceremony keycheck $option "$T/k1.pem"
done
says '"verdict":"refuse"' "as JSON"
exits 2 "attest: a private key" ceremony attest "$T/key.pem"
says "private key, and it was not read further" "says that it was one"
exits 1 "keycheck: a private key in PEM" ceremony keycheck --json "$T/key.pem"
says '"id":"private-key-given"' "says that it was one"
exits 1 "keycheck: a private key in DER" ceremony keycheck "$T/key.der"
exits 2 "attest without a file" ceremony attest
exits 2 "an unknown option" ceremony keycheck --frobnicate "$T/x.csr"
exits 2 "attest: vendors that can't be read" ceremony attest --vendors "$T/rubbish" "$T/x.csr"

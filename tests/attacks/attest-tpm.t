#!/bin/bash
# ceremony attest on what a software TPM really certifies: the whole chain, and every way of passing off something else.
set -u
build=${BUILD:-build}
for tool in swtpm swtpm_setup tpm2_certify tpm2_createak openssl python3; do
  command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not installed"; exit 0; }
done
dir=$(mktemp -d)
trap 'test -s $dir/pid && kill "$(cat $dir/pid)" 2>/dev/null; rm -rf "$dir"' EXIT
mkdir "$dir/state" "$dir/ca"
printf 'create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = /etc/swtpm-localca.options\n' "$dir/localca.conf" >"$dir/setup.conf"
printf 'statedir = %s\nsigningkey = %s/key.pem\nissuercert = %s/cert.pem\ncertserial = %s/serial\n' "$dir/ca" "$dir/ca" "$dir/ca" "$dir/ca" >"$dir/localca.conf"
swtpm_setup --tpm2 --tpmstate "$dir/state" --create-ek-cert --config "$dir/setup.conf" >"$dir/setup.log" 2>&1 || {
  echo "1..0 # SKIP swtpm_setup doesn't work here: $(tail -1 "$dir/setup.log")"; exit 0; }
port=$(python3 - <<'PY'
import random, socket
while True:
    port = random.randrange(20000, 50000, 2)
    try:
        for p in (port, port + 1):
            with socket.socket() as s:
                s.bind(("127.0.0.1", p))
        print(port)
        break
    except OSError:
        pass
PY
)
swtpm socket --tpm2 --tpmstate "dir=$dir/state" --ctrl type=tcp,port=$((port + 1)) --server type=tcp,port=$port --flags not-need-init,startup-clear \
  --pid "file=$dir/pid" -d || { echo "1..0 # SKIP swtpm doesn't start here"; exit 0; }
export TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port" TSS2_LOG=all+NONE
cd "$dir" || exit 1
build=$(cd "$OLDPWD" && cd "$build" && pwd)
flush () { tpm2_flushcontext -t >/dev/null 2>&1; }
signing="fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
{
  tpm2_createek -c ek.ctx -G rsa -u ek.pub && flush
  tpm2_createak -C ek.ctx -c ak.ctx -G ecc -g sha256 -s ecdsa -u ak.pub -f tss && flush
  tpm2_readpublic -c ak.ctx -f pem -o ak.pem && flush
  tpm2_createprimary -C o -c primary.ctx && flush
  tpm2_create -C primary.ctx -G ecc256 -u key.pub -r key.priv -a "$signing" && flush
  tpm2_load -C primary.ctx -u key.pub -r key.priv -c key.ctx && flush
  tpm2_readpublic -c key.ctx -f pem -o key.pem && flush
  tpm2_certify -c key.ctx -C ak.ctx -g sha256 -o attest.bin -s attest.sig && flush
  tpm2_create -C primary.ctx -G ecc256 -u loose.pub -r loose.priv -a "sensitivedataorigin|userwithauth|sign" && flush
  tpm2_load -C primary.ctx -u loose.pub -r loose.priv -c loose.ctx && flush
  tpm2_certify -c loose.ctx -C ak.ctx -g sha256 -o loose.bin -s loose.sig && flush
  openssl ecparam -name prime256v1 -genkey -noout -out soft.pem
  tpm2_import -C primary.ctx -G ecc -i soft.pem -u soft.pub -r soft.priv && flush
  tpm2_load -C primary.ctx -u soft.pub -r soft.priv -c soft.ctx && flush
  tpm2_certify -c soft.ctx -C ak.ctx -g sha256 -o soft.bin -s soft.sig && flush
  tpm2_nvread 0x1c00002 -o ek.der && flush
} >log 2>&1 || { sed 's/^/# /' log; echo "1..0 # SKIP the software TPM doesn't do what this test wants"; exit 0; }

anchor () { # USE NAME PEM-OF-KEY
  printf 'anchors:\n  - {vendor: Test, use: %s, name: "%s", spki: "%s", source: test}\n' "$1" "$2" "$(openssl pkey -pubin -in "$3" -outform DER | base64 -w0)"
}
anchor tpm2-ak CN=AK ak.pem >pinned.yaml
openssl x509 -in ca/cert.pem -noout -pubkey >ca.pub
anchor tpm2-ek "$(openssl x509 -in ca/cert.pem -noout -subject -nameopt RFC2253 | sed 's/^subject=//')" ca.pub >ek.yaml
python3 - <<'PY'
b = bytearray(open("attest.bin", "rb").read())
b[-1] ^= 1
open("altered.bin", "wb").write(b)
open("cut.bin", "wb").write(b[:-1])
PY
openssl pkey -in soft.pem -pubout -out other.pem

echo 1..13
n=0
attest () { # STATUS PATTERN NAME ARGUMENTS…
  local want=$1 pattern=$2 name=$3 got; shift 3
  n=$((n + 1))
  "$build/ceremony" attest "$@" >out 2>&1; got=$?
  if [ $got = "$want" ] && grep -q -- "$pattern" out; then echo "ok $n - $name"; else echo "not ok $n - $name: exit status $got"; sed 's/^/# /' out; fi
}
attest 0 "TPM2_Certify" "a key that a TPM certified, under a pinned attestation key" --vendors pinned.yaml attest.bin attest.sig key.pub ak.pub
attest 0 "generated" "the files in another order, with the key's public key" --vendors pinned.yaml key.pem ak.pub key.pub attest.sig attest.bin
attest 1 "isn't the key that is asked for" "another public key beside it" --vendors pinned.yaml other.pem ak.pub key.pub attest.sig attest.bin
attest 1 "public area isn't among the files" "without the key's public area" --vendors pinned.yaml attest.bin attest.sig ak.pub
attest 1 "public area isn't among the files" "with another key's public area" --vendors pinned.yaml attest.bin attest.sig ak.pub loose.pub
attest 1 "no key among the files signed" "the signature on another certification" --vendors pinned.yaml attest.bin loose.sig ak.pub key.pub
attest 1 "no key among the files signed" "an altered certification" --vendors pinned.yaml altered.bin attest.sig ak.pub key.pub
attest 1 "or is damaged" "a certification that was cut" --vendors pinned.yaml cut.bin attest.sig ak.pub key.pub
attest 1 "can be duplicated" "a key that may leave the TPM" --vendors pinned.yaml loose.bin loose.sig ak.pub loose.pub
attest 1 "it was imported" "a software key that was imported" --vendors pinned.yaml soft.bin soft.sig ak.pub soft.pub
attest 1 "nothing shows that the attestation key lives in a TPM" "an attestation key that nobody knows" --vendors ek.yaml attest.bin attest.sig ak.pub key.pub
attest 1 "operator's word alone" "an endorsement certificate without an activation" --vendors ek.yaml attest.bin attest.sig ak.pub key.pub ek.der
attest 1 "answers another challenge" "another challenge" --vendors pinned.yaml --challenge 3132333435363738 attest.bin attest.sig key.pub ak.pub

#!/bin/bash
# The token room on another kind of token: tpm2-pkcs11 with a software TPM. It refuses templates that SoftHSM takes, and asks for patience.
set -u
build=${BUILD:-build}
module=$(ls /usr/lib/*/pkcs11/libtpm2_pkcs11.so /usr/lib/*/libtpm2_pkcs11.so.1 2>/dev/null | head -1)
for tool in swtpm swtpm_setup pkcs11-tool tpm2_flushcontext; do
  command -v $tool >/dev/null || { echo "1..0 # SKIP $tool is not installed"; exit 0; }
done
[ -n "$module" ] || { echo "1..0 # SKIP libtpm2-pkcs11 is not installed"; exit 0; }

dir=$(mktemp -d)
trap 'test -s $dir/pid && kill "$(cat $dir/pid)" 2>/dev/null; rm -rf "$dir"' EXIT
mkdir "$dir/state" "$dir/store"

# A config of our own, since the system's belongs to the user tss.
mkdir "$dir/ca"
printf 'create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = /etc/swtpm-localca.options\n' "$dir/localca.conf" >"$dir/setup.conf"
printf 'statedir = %s\nsigningkey = %s/key.pem\nissuercert = %s/cert.pem\ncertserial = %s/serial\n' "$dir/ca" "$dir/ca" "$dir/ca" "$dir/ca" >"$dir/localca.conf"
if ! swtpm_setup --tpm2 --tpmstate "$dir/state" --create-ek-cert --config "$dir/setup.conf" >"$dir/setup.log" 2>&1; then
  echo "1..0 # SKIP swtpm_setup doesn't work here: $(tail -1 "$dir/setup.log")"
  exit 0
fi

free_pair() { # two ports side by side that nobody uses
  python3 - <<'PY'
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
}
port=$(free_pair)
swtpm socket --tpm2 --tpmstate "dir=$dir/state" --ctrl type=tcp,port=$((port + 1)) --server type=tcp,port=$port --flags not-need-init,startup-clear \
  --pid "file=$dir/pid" -d || { echo "1..0 # SKIP swtpm doesn't start here"; exit 0; }
export TPM2_PKCS11_TCTI="swtpm:host=127.0.0.1,port=$port" TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port" TPM2_PKCS11_STORE=$dir/store
export TSS2_LOG=all+NONE TPM2_PKCS11_LOG_LEVEL=0
flush() { tpm2_flushcontext -t; tpm2_flushcontext -l; tpm2_flushcontext -s; } >/dev/null 2>&1   # there is no resource manager

echo 1..7
n=0
result() { # STATUS TEXT
  n=$((n + 1))
  if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; sed 's/^/# /' "$dir/log"; fi
}
{
  pkcs11-tool --module "$module" --init-token --label TPM --so-pin 12345678 &&
  flush
  pkcs11-tool --module "$module" --token-label TPM --login --login-type so --so-pin 12345678 --init-pin --pin 7153926
} >"$dir/log" 2>&1
result $? "a token in the software TPM"
flush

"$build/ceremony" tokens --module "$module" --only --json >"$dir/log" 2>&1
grep -q '"pin_state":"ok"' "$dir/log" && grep -q '"algorithms":\["rsa-' "$dir/log"
result $? "ceremony tokens lists it"
flush

for algorithm in rsa-3072 ec-p384 ec-p256; do
  TEST_TOKEN_MODULE=$module TEST_TOKEN_URI=pkcs11:token=TPM TEST_TOKEN_PIN=7153926 TEST_TOKEN_ALGORITHMS=$algorithm \
    timeout 120 "$build/tests/unit/test-token" --tap >"$dir/log" 2>&1
  result $? "generates $algorithm, signs, makes a request"
  flush
done
grep -q '{"result":"CKR_OK","template":"no-verify"}' "$dir/log"
result $? "tells that the template had no CKA_VERIFY"
grep 'ec-p256 attributes' "$dir/log" | grep -q '"cka_always_sensitive":{"value":true}.*"cka_local":{"value":true}.*"cka_never_extractable":{"value":true}'
result $? "reads its attributes back"

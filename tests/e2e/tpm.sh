# A software TPM with tpm2-pkcs11 before it, for the tests that need one. Sourced.
tpm_problem=
tpm_module=

# tpm_start DIR: 1 and tpm_problem where it can't be had.
tpm_start () {
  local dir=$1 tool port try
  tpm_module=$(ls /usr/lib/*/pkcs11/libtpm2_pkcs11.so /usr/lib/*/libtpm2_pkcs11.so.1 2>/dev/null | head -1)
  for tool in swtpm swtpm_setup pkcs11-tool tpm2_flushcontext tpm2_createprimary jq; do
    command -v $tool >/dev/null || { tpm_problem="$tool is not installed"; return 1; }
  done
  [ -n "$tpm_module" ] || { tpm_problem="libtpm2-pkcs11 is not installed"; return 1; }
  mkdir -p "$dir/state" "$dir/store" "$dir/ca"
  # A config of our own, since the system's belongs to the user tss.
  printf 'create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = /etc/swtpm-localca.options\n' "$dir/localca.conf" >"$dir/setup.conf"
  printf 'statedir = %s\nsigningkey = %s/key.pem\nissuercert = %s/cert.pem\ncertserial = %s/serial\n' "$dir/ca" "$dir/ca" "$dir/ca" "$dir/ca" >"$dir/localca.conf"
  swtpm_setup --tpm2 --tpmstate "$dir/state" --create-ek-cert --config "$dir/setup.conf" >"$dir/setup.log" 2>&1 ||
    { tpm_problem="swtpm_setup doesn't work here: $(tail -1 "$dir/setup.log")"; return 1; }
  for try in 1 2 3; do
    port=$((20000 + (RANDOM % 15000) * 2))
    swtpm socket --tpm2 --tpmstate "dir=$dir/state" --ctrl type=tcp,port=$((port + 1)) --server type=tcp,port=$port --flags not-need-init,startup-clear \
      --pid "file=$dir/pid" -d 2>"$dir/swtpm.log" && break
    port=
  done
  [ -n "$port" ] || { tpm_problem="swtpm doesn't start here: $(tail -1 "$dir/swtpm.log")"; return 1; }
  trap 'kill "$(cat "'"$dir"'/pid")" 2>/dev/null; rm -rf "$T"' EXIT
  export TPM2_PKCS11_TCTI="swtpm:host=127.0.0.1,port=$port" TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port" TPM2_PKCS11_STORE=$dir/store
  export TSS2_LOG=all+NONE TPM2_PKCS11_LOG_LEVEL=0
}
# There is no resource manager: what processes leave in the TPM is taken out.
tpm_flush () { { tpm2_flushcontext -t; tpm2_flushcontext -l; tpm2_flushcontext -s; } >/dev/null 2>&1; }

# tpm_token LABEL PIN
tpm_token () {
  pkcs11-tool --module "$tpm_module" --init-token --label "$1" --so-pin 12345678 || return
  tpm_flush
  pkcs11-tool --module "$tpm_module" --token-label "$1" --login --login-type so --so-pin 12345678 --init-pin --pin "$2" || return
  tpm_flush
  return 0
}
# tpm_ak FILE: the attestation key of docs/formats.md, as a CA enrols it.
tpm_ak () {
  tpm2_createprimary -C e -G ecc256:ecdsa-sha256:null -a 'restricted|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign' -c "$1.ctx" >/dev/null &&
    tpm2_readpublic -c "$1.ctx" -f pem -o "$1" >/dev/null
  tpm_flush
}
# tpm_pin PEM: a list of vendors' keys with that one.
tpm_pin () { printf 'anchors:\n  - {vendor: Test, use: tpm2-ak, name: "CN=AK", spki: "%s", source: test}\n' "$(openssl pkey -pubin -in "$1" -outform DER | base64 -w0)"; }
# tpm_maker: the same with the key of the maker that signed this TPM's endorsement certificate.
tpm_maker () {
  local dir=$1
  printf 'anchors:\n  - {vendor: Test, use: tpm2-ek, name: "%s", spki: "%s", source: test}\n' "$(openssl x509 -in "$dir/ca/cert.pem" -noout -subject -nameopt RFC2253 | sed 's/^subject=//')" \
    "$(openssl x509 -in "$dir/ca/cert.pem" -noout -pubkey | openssl pkey -pubin -outform DER | base64 -w0)"
}
# tpm_forge LABEL TOKEN PIN: a key made in software goes into the TPM, and the module's store then tells of it what it told of a key that was generated there: what an
# operator who knows the PIN can do. Its private key is left in $1.pem of the current folder.
tpm_forge () {
  local label=$1 token=$2 pin=$3 db=$TPM2_PKCS11_STORE/tpm2_pkcs11.sqlite3 id salt auth key wrapped iv ct object point old
  stored () { sqlite3 "$db" "select attrs from tobjects order by id desc limit 1" | grep -A1 "\"$1\"" | sed -n 's/.*!!str "\(.*\)",/\1/p'; }
  pkcs11-tool --module "$tpm_module" --token-label "$token" --login --pin "$pin" --keypairgen --key-type EC:prime256v1 --id 0909 --label "$label" >/dev/null 2>&1 || return
  tpm_flush
  id=$(sqlite3 "$db" "select id from tokens where label='$token'")
  sqlite3 "$db" "select writefile('seal.pub',userpub), writefile('seal.priv',userpriv) from sealobjects where tokid=$id" >/dev/null
  salt=$(sqlite3 "$db" "select userauthsalt from sealobjects where tokid=$id")
  auth=$(printf %s "$pin$salt" | sha256sum | cut -c1-32)
  tpm2_load -C 0x81000001 -u seal.pub -r seal.priv -c seal.ctx >/dev/null && key=$(tpm2_unseal -c seal.ctx -p "str:$auth") || return
  tpm_flush
  wrapped=$(stored 2399141889 | xxd -r -p); iv=${wrapped%%:*}; ct=${wrapped##*:}
  object=$(printf %s "$ct" | xxd -r -p | openssl enc -d -aes-256-ctr -K "$key" -iv "${iv}00000002")      # GCM without its tag
  openssl ecparam -name prime256v1 -genkey -noout -out "$label.pem"
  tpm2_import -C 0x81000001 -G ecc -i "$label.pem" -u forged.pub -r forged.priv -p "str:$object" -a "userwithauth|sign|decrypt" >/dev/null || return
  tpm_flush
  point=0441$(openssl pkey -in "$label.pem" -pubout -outform DER | tail -c 65 | xxd -p -c 200); old=$(stored 385)
  sqlite3 "$db" "update tobjects set attrs = replace(replace(replace(attrs, '$old', '$point'), '$(stored 2399141890)', '$(xxd -p -c 9999 forged.pub)'),
    '$(stored 2399141891)', '$(xxd -p -c 9999 forged.priv)') where attrs like '%$old%'"
}
# attach_script FILE: the script that comes with the program, and FILE attached.
attach_script () {
  awk -v file="$1" '
    /^  - id: unplug/ {
      print "  - id: report\n    title: Attach the report\n    act: attach\n    with:\n      files: " file "\n    do: Say what it is.\n    confirm: [witness]\n"
    }
    { print }' "$ROOT/scripts/code-signing.yaml"
}

#!/usr/bin/env bash
# No rehearsal: a CA's order, an appliance of its own, a ceremony by keys on a token (SoftHSM stands for one), the evidence carried to another machine, and sealed there
# by a witness with a key file, and by one with a token.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/keys.sh"
trap 'tm kill-server 2>/dev/null; rm -rf "$T"' EXIT
plan 43
S=$T
HSM=/usr/lib/softhsm/libsofthsm2.so
cd "$T" || exit 1

token () {   # NAME PIN: a SoftHSM of its own
  mkdir -p "$1.hsm" && printf 'directories.tokendir = %s\nobjectstore.backend = file\n' "$T/$1.hsm" >"$1.conf"
  SOFTHSM2_CONF=$T/$1.conf softhsm2-util --init-token --free --label "$1" --pin "$2" --so-pin 87654321 >/dev/null
}
role () {    # NAME: a key with a self-signed certificate
  openssl ecparam -name prime256v1 -genkey -noout 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -out "$1.key" &&
    openssl req -x509 -new -key "$1.key" -subj "/CN=$1" -days 30 -out "$1.crt" && cat "$1.key" "$1.crt" >"$1.pem"
}

# ── at the CA: the order ──
role ca; role filed; role carded
ok "the witness makes a secret" ceremony challenge new -o secret --json
commitment=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["challenge_commitment"])' "$T/out")
ok "the operator makes the appliance's keys" ceremony appliance init --dir op/appliance --name "Appliance of Example GmbH"
ok "and shows the CA their public parts" sh -c 'ceremony appliance show --dir op/appliance --json >appliance.json'
mkdir -p trust/order trust/witness; cp ca.crt trust/order/ca.pem; cp filed.crt trust/witness/filed.pem; cp carded.crt trust/witness/carded.pem
ok "the CA enrols it" ceremony appliance enrol --dir op/appliance --trust trust
sed -e 's/^presence:.*/presence: none/; s/^local_seal:.*/local_seal: never/; s/^camera_required:.*/camera_required: false/; s/^drops_per_mille:.*/drops_per_mille: 1000/' "$ROOT/scripts/default-policy.yaml" >policy.yaml
cat >fields.yaml <<YAML
ca_domain: ca.example
subscriber: { name: Example GmbH, country: DE, registration: HRB 1234 }
label: Example code signing
subject: CN=Example GmbH,O=Example GmbH,C=DE
witness: { name: Wilma Zeuge, employer: Example CA, qualification: RA officer, approval: CA-2026-7 }
place: Berlin
region: DE-BE
YAML
ok "and orders the ceremony" ceremony order new -o order.asice --script "$ROOT/scripts/code-signing.yaml" --policy policy.yaml --fields fields.yaml --appliance appliance.json \
  --set challenge_commitment="$commitment" --key ca.pem
ok "the order is whole, and the CA's" ceremony order check order.asice --trust trust

# ── at the subscriber: the ceremony ──
token Operator 314159; echo 314159 >pin
export PIN_FILE=$T/pin SECRET_FILE=$T/secret
run="SOFTHSM2_CONF=$T/Operator.conf ceremony run $T/order.asice --trust $T/trust --home $T/op --module $HSM --only-module --token pkcs11:token=Operator"
exits 2 "a test picture is for rehearsals only" sh -c "$run --camera test </dev/null"
says 'rehearsal' "and that is said"
mkdir nobody
exits 2 "an order isn't carried out where nobody is trusted to give one" sh -c "${run/$T\/trust/$T\/nobody} --camera none </dev/null"
says "order's signer isn't trusted" "and that is said"
launch 100 30 "$run --camera none"
ok "the ceremony begins" wait_for 'Welcome'
ok "it is no rehearsal, and doesn't say so" sh -c "! tmux -L $session capture-pane -p -t main | grep -q REHEARSAL"
ok "to the end by keys" until_seen "$T/op" 'exit status' 160
ok "the evidence is closed" tells 'The evidence is closed.*The witness signs it.*ceremony seal --trust.*exit status 0'
tm kill-server 2>/dev/null
evidence=$(ls op/ceremonies/*/20*.asice)
exits 1 "unsigned by a witness it is refused" ceremony verify "$evidence" --trust trust
says 'signature.witness' "for that, and nothing else"
ok "really nothing else" fails_only "$evidence" trust signature.witness

# ── at the CA again, on another machine: no appliance, no journal, just the file ──
mkdir other; cp "$evidence" other/file.asice; cp "$evidence" other/token.asice; cp "$evidence" other/keys.asice; cp "$evidence" other/damaged.asice
export CEREMONY_HOME=$T/other/home
openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:open-sesame -in filed.key -out filed.enc 2>/dev/null && cat filed.enc filed.crt >filed-locked.pem
echo open-sesame >right; echo closed-sesame >wrong
seal="--trust trust --secret-file secret"
exits 1 "a wrong passphrase is refused" ceremony seal other/file.asice $seal --key filed-locked.pem --passphrase-file wrong --opinion witnessed
says '[Pp]assphrase.*wrong|wrong.*passphrase' "and told"
ok "nothing was changed by it" cmp "$evidence" other/file.asice
exits 2 "without the challenge's secret it can't be sealed" ceremony seal other/file.asice --trust trust --key filed-locked.pem --passphrase-file right --opinion witnessed
says 'secret-file' "and the option is named"
ceremony challenge new -o secret2 >/dev/null
exits 1 "another secret isn't taken" ceremony seal other/file.asice --trust trust --key filed-locked.pem --passphrase-file right --opinion witnessed --secret-file secret2
says "isn't the secret that the order committed to" "and that is said"
exits 0 "with the right ones it is sealed" ceremony seal other/file.asice $seal --key filed-locked.pem --passphrase-file right --opinion witnessed --remarks "Sealed at the CA"
exits 3 "and a person must decide" ceremony verify other/file.asice --trust trust
ok "since the key is a file, there was no camera, and nobody vouches for the module" results other/file.asice trust verdict=review fail-only= warn=witness.key_place warn=module.suitable
exits 2 "sealed evidence isn't sealed again" ceremony seal other/file.asice $seal --key carded.pem --opinion witnessed
says '2 signatures' "and that is said"

token Witness 271828; echo 271828 >witness-pin; echo 999999 >wrong-pin
export SOFTHSM2_CONF=$T/Witness.conf
openssl pkcs8 -in carded.key -topk8 -nocrypt -outform DER -out carded.der; openssl x509 -in carded.crt -outform DER -out carded.crt.der
pkcs11-tool --module $HSM --token-label Witness --login --pin 271828 --write-object carded.der --type privkey --id 01 --label carded --usage-sign >/dev/null 2>&1
pkcs11-tool --module $HSM --token-label Witness --login --pin 271828 --write-object carded.crt.der --type cert --id 01 --label carded >/dev/null 2>&1
uri="pkcs11:token=Witness;object=carded"
exits 1 "a wrong PIN of the witness's token is refused" ceremony seal other/token.asice $seal --token "$uri" --module $HSM --passphrase-file wrong-pin --opinion witnessed
says 'PIN' "and told"
ok "nothing was changed by it" cmp "$evidence" other/token.asice
exits 0 "with the right PIN the token seals it" ceremony seal other/token.asice $seal --token "$uri" --module $HSM --passphrase-file witness-pin --opinion witnessed
ok "the verdict says so" results other/token.asice trust verdict=review fail-only= pass=witness.key_place

# By keys, on the screen.
launch 100 30 "cd $T && ceremony seal other/keys.asice $seal --token '$uri' --module $HSM"
export PIN_FILE=$T/witness-pin
ok "the PIN is asked" wait_for 'Typing is hidden'
type_text 000000; keys Enter
ok "a wrong one is told" tells 'PIN' 10
ok "and asked again" tells 'PIN is wrong.*Type it again.*Typing is hidden' 10
ok "opinion, remarks, statement, signature by keys" until_seen "$T/op" 'exit status' 40
ok "signed" tells 'exit status 0'
ok "genuine" results other/keys.asice trust verdict=review fail-only=

# Damaged on its way.
python3 - other/damaged.asice <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[1], "wb").write(data)
PY
cp other/damaged.asice before
exits 1 "damaged evidence isn't sealed" ceremony seal other/damaged.asice $seal --key carded.pem --opinion witnessed
says "doesn't verify" "and that is said, with the checks"
ok "nor touched" cmp before other/damaged.asice

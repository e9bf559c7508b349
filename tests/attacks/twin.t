#!/usr/bin/env bash
# A key made elsewhere and put on the token under the ceremony's label or id, before, between and after: each is noticed, and refused in words that name it.
. "$(dirname "$0")/../e2e/lib.sh"
. "$(dirname "$0")/../e2e/keys.sh"
wrap=$B/tests/lib/wrap-pkcs11.so
[ -e "$wrap" ] || bail "$wrap isn't built: make tests"
LABEL="Code signing rehearsal"

# import DIR LABEL ID: a P-256 pair made by openssl, written into the rehearsal's token.
import () {
  local dir=$1 label=$2 id=$3 pin
  pin=$(cat "$dir/rehearsal/pin")
  openssl ecparam -name prime256v1 -genkey -noout -outform DER -out "$dir/foreign.der" && openssl ec -in "$dir/foreign.der" -inform DER -pubout -outform DER -out "$dir/foreign.pub" || return 1
  SOFTHSM2_CONF=$dir/rehearsal/token/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label Rehearsal --login --pin "$pin" --usage-sign \
    --write-object "$dir/foreign.der" --type privkey --id "$id" --label "$label" &&
    SOFTHSM2_CONF=$dir/rehearsal/token/softhsm2.conf pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --token-label Rehearsal --login --pin "$pin" \
      --write-object "$dir/foreign.pub" --type pubkey --id "$id" --label "$label"
}
bundle_of () { ls "$1"/ceremonies/*/20*.asice; }
# An unattended rehearsal that can't be completed closes what it has as aborted.
walk () { timeout 50 ceremony rehearse --unattended --fast --home "$S" "$@" </dev/null >"$S/log" 2>&1; local r=$?; cat "$S/log"; return $r; }

# Before the start, under the right label: a rehearsal's token is there before its ceremony, once it was prepared.
before () {
  # A kill before the first event leaves the token, and an empty ceremony.
  LD_PRELOAD=$B/tests/lib/kill-at.so KILL_AT_TYPE=ceremony.opened KILL_WHEN=before ceremony rehearse --unattended --fast --home "$S" </dev/null >"$S/log" 2>&1
  rm -rf "$S/ceremonies"
  ok "a foreign key bears the label" import "$S" "$LABEL" 0102
  exits 1 "the ceremony can't be completed" walk
  ok "the label is named as taken" event "$S" "bear the label .*$LABEL.*\"type\":\"deviation.noted\""
  not_ok "nothing was generated beside it" event "$S" '"type":"key.generating"'
  ok "verify refuses, and names the outcome" fails_only "$(bundle_of "$S")" "$S/trust" outcome.completed
  ok "with the label" grep -q "$LABEL" "$T/verdict"
}

# Between the challenge and the generation, under the right label and the right id, which everybody in the room can compute by then.
between () {
  (
    await_event "$S" challenge.given 40
    # From now on the token answers slowly, so that there is time.
    echo "slow C_FindObjectsInit 3000" >"$S/conf"
    db=$(journal_of "$S")
    id=$(sqlite3 -readonly "$db" "select line from events where line like '%\"type\":\"challenge.given\"}'" | python3 -c '
import hashlib, json, sys
event = json.loads(sys.stdin.readline())
print(hashlib.sha256(bytes.fromhex(event["data"]["challenge"]) + sys.argv[1].encode()).hexdigest()[:32])' "$(basename "$(dirname "$db")")")
    import "$S" "$LABEL" "$id" && echo "$id" >"$S/imported"
    : >"$S/conf"
  ) >"$S/import.log" 2>&1 &
  WRAP_PKCS11_CONF=$S/conf exits 1 "the ceremony can't be completed" walk --module "$wrap"
  wait $!
  ok "a foreign key was put in under the label and the id" test -s "$S/imported"
  ok "it is named" event "$S" 'objects bear the label.*the id.*"type":"deviation.noted"'
  not_ok "nothing was generated, so nothing signed" event "$S" '"type":"(key.generated|possession.proved|request.made)"'
  ok "verify refuses" fails_only "$(bundle_of "$S")" "$S/trust" outcome.completed
}

# After the generation, under the same label and id.
after () {
  echo twin >"$S/conf"
  WRAP_PKCS11_CONF=$S/conf exits 1 "the ceremony can't be completed" walk --module "$wrap"
  ok "the twin is named" event "$S" 'exactly one private and one public.*"type":"deviation.noted"'
  not_ok "nothing signed with either" event "$S" '"type":"(possession.proved|request.made)"'
  ok "verify refuses, and names the key" refused_by "$(bundle_of "$S")" "$S/trust" outcome.completed key.unique
}

# C_GenerateKeyPair brings in a key that was made elsewhere: the token's own attributes tell.
imported () {
  echo import >"$S/conf"
  WRAP_PKCS11_CONF=$S/conf ok "the ceremony itself can be completed: the witness may overlook it" walk --module "$wrap"
  ok "verify refuses by what the token says of the key" refused_by "$(bundle_of "$S")" "$S/trust" key.attributes
  ok "the reason says that it wasn't born there" grep -qi 'local' "$T/verdict"
}

# The token makes a key and says that it failed: the second try must not take it for its own.
half () {
  echo "half 0x30" >"$S/conf"
  WRAP_PKCS11_CONF=$S/conf walk --module "$wrap" >/dev/null
  ok "no second key was made beside the first" test "$(sqlite3 -readonly "$(journal_of "$S")" "select count(*) from events where line like '%\"type\":\"key.generating\"}'")" = 1
  ok "the key that was made after all is found and said to be recovered" event "$S" '"recovered":true.*"type":"key.generated"'
  ok "and the bundle is genuine" genuine "$S"
}

scenario before
scenario between
scenario after
scenario imported
scenario half
scenarios_end

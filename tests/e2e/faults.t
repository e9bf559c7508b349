#!/usr/bin/env bash
# What goes wrong at a token, a terminal, a script: each gives a clear message, and nothing recorded so far is lost. By keys in tmux, then to the end by itself.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/keys.sh"
wrap=$B/tests/lib/wrap-pkcs11.so
[ -e "$wrap" ] || bail "$wrap isn't built: make tests"

misbehave () { printf "${1:+$1\n}" >"$WRAP_PKCS11_CONF.new"; mv "$WRAP_PKCS11_CONF.new" "$WRAP_PKCS11_CONF"; }
with_wrapper () { export WRAP_PKCS11_CONF=$S/conf; misbehave "${1:-}"; }
pin () { type_text "$1"; keys Enter; }

# A wrong PIN, the last try, a locked PIN; stopped there, unlocked elsewhere, gone on with.
pins () {
  with_wrapper
  ok "it starts" start "$S" 80 24 "--module $wrap"
  ok "to the PIN" until_seen "$S" 'Typing is hidden'
  pin 00000000
  ok "a wrong PIN is told, with what to do" tells '[Ww]rong.*(enter|type) the PIN again'
  ok "and is in the journal" await_event "$S" token.refused
  ok "it is asked again" tells 'Typing is hidden'
  misbehave pin-final
  pin 00000001
  ok "the last try is told before it is taken" tells 'last try before the token locks'
  keys n; keys Enter
  ok "and isn't taken where the operator says no" tells 'PIN is locked|last try'
  misbehave pin-locked
  keys Home; keys Enter
  tells 'Typing is hidden' >/dev/null && pin 00000002
  ok "a locked PIN is told" tells 'PIN is locked'
  ok "with the way on" tells 'Stop here; resume later'
  keys Home; keys Down; keys Enter
  ok "stopped there" tells 'exit status 1'
  ok "the last word says that nothing is lost, and how to go on" tells 'nothing recorded so far is lost.*ceremony rehearse --home'
  misbehave
  ok "after it was unlocked it goes on to its end" resumes "$S" --module "$wrap"
  ok "and the bundle is genuine" genuine "$S"
  ok "with both refusals in its journal" event "$S" '"reason":"locked-pin"'
  not_ok "but no PIN that was tried" event "$S" '0000000[012]'
}

# No token; put back. Pulled out after generation; put back. The terminal closed at last (SIGHUP).
token () {
  with_wrapper remove
  ok "it starts without a token" start "$S" 100 30 "--module $wrap"
  ok "the token is missed" until_seen "$S" 'It is connected now'
  ok "in words" tells "token isn't there"
  keys Home; keys Enter
  sleep 0.5
  ok "and missed again" tells 'It is connected now'
  misbehave
  keys Home; keys Enter
  ok "once it is there its PIN is asked" tells 'Typing is hidden'
  ok "to the key's attributes" until_seen "$S" 'What the token says of the key|cka_'
  misbehave remove
  ok "pulled out in the middle: told" until_seen "$S" 'The step could not be carried out|connected now' 12
  ok "in words" tells 'the token was pulled out; put it back'
  misbehave
  keys Home; keys Enter
  ok "put back, its PIN is asked again" tells 'Typing is hidden'
  ok "and the ceremony goes on" until_seen "$S" 'read the fingerprint|fingerprint of the key aloud' 20
  tm kill-server
  ok "the terminal closed: it ends" gone_program
  ok "and goes on in another one" resumes "$S" --module "$wrap"
  ok "the bundle is genuine" genuine "$S"
  ok "the journal tells of the missing token" event "$S" '"reason":"absent"'
  ok "and of the interruption" event "$S" '"type":"ceremony.resumed"'
}
gone_program () {
  local i
  for ((i = 0; i < 100; i++)); do
    flock -n "$(dirname "$(journal_of "$S")")/lock" true && return 0
    sleep 0.1
  done
  return 1
}

# Too small at the start, and in the middle; a second process; aborted.
terminal () {
  mkdir -p "$S"
  launch 60 20 "ceremony rehearse --fast --home '$S'"
  wait_for 'Press Enter to begin' >/dev/null && keys Enter
  ok "60x20: refused, with what is needed" tells 'too small.*60x20.*80 columns and 24 rows'
  ok "and nothing was begun" test ! -e "$S/ceremonies"
  ok "80x24: it starts" start "$S" 80 24
  ok "on to the clock" until_seen "$S" 'watch or telephone'
  tm resize-window -t main -x 60 -y 20
  ok "made too small: it says so" tells 'too small|[Ee]nlarge'
  keys n; keys Enter; sleep 0.5; type_text WI; keys Enter; sleep 0.5
  tm resize-window -t main -x 80 -y 24
  ok "enlarged again: the question is still there, and keys typed blindly didn't answer it" tells "Do your own clock and this machine's agree"
  exits 1 "a second process on the same rehearsal is told that it is busy" timeout 20 ceremony rehearse --unattended --fast --home "$S"
  says 'another process|busy|already' "in words"
  exits 2 "so is ceremony resume" timeout 20 ceremony resume --home "$S"
  says 'another process' "in words"
  keys F8
  ok "F8 asks whether it is meant" tells 'Abort the ceremony\?'
  keys y; keys Enter
  ok "and why" tells 'Why is the ceremony aborted'
  type_text "the fire alarm rang"; keys Enter
  ok "it closes the evidence" until_seen "$S" 'exit status' 40
  ok "says that it was aborted, and where the evidence lies" tells 'aborted.*asice.*exit status 1'
  ok "the verdict names the abort and nothing else" fails_only "$(ls "$S"/ceremonies/*/20*.asice)" "$S/trust" outcome.completed
  ok "with its reason" grep -q 'fire alarm' "$T/verdict"
  exits 1 "it can't be taken up again, only a new one begun" sh -c "ceremony list --home '$S' --json | grep -q '\"state\":\"open\"'"
}

# Aborted before anybody was identified or had agreed.
aborted () {
  ok "it starts" start "$S" 120 36
  sleep 0.5; keys F8
  ok "F8" tells 'Abort the ceremony\?'
  keys n; keys Enter
  ok "no goes back" tells 'Operator confirms'
  keys F8; tells 'Abort the ceremony' >/dev/null; keys y; keys Enter; tells 'Why is the ceremony aborted' >/dev/null; keys Enter
  ok "aborted" until_seen "$S" 'exit status 1' 10
  ok "the verdict names the abort and nothing else" fails_only "$(ls "$S"/ceremonies/*/20*.asice)" "$S/trust" outcome.completed
  ok "nobody has stated to have witnessed it" results "$(ls "$S"/ceremonies/*/20*.asice)" "$S/trust" skipped=signature.witness
  exits 1 "and nobody may" ceremony seal "$(ls "$S"/ceremonies/*/20*.asice)" --trust "$S/trust" --key "$S/rehearsal/witness.pem" --opinion witnessed
  exits 0 "but refuse" ceremony seal "$(ls "$S"/ceremonies/*/20*.asice)" --trust "$S/trust" --key "$S/rehearsal/witness.pem" --opinion refused
  ok "afterwards a new rehearsal begins there" resumes "$S"
}

# Scripts that can't be read, or say nonsense.
scripts () {
  mkdir -p "$S"
  local good=$ROOT/scripts/code-signing.yaml
  exits 1 "no such script" ceremony rehearse "$S/none.yaml" --unattended --fast --home "$S/a"
  says 'none.yaml.*(No such file|no such file|isn.t there)' "is told with its name"
  mkdir "$S/dir.yaml"
  exits 1 "a folder" ceremony rehearse "$S/dir.yaml" --unattended --fast --home "$S/a"
  says 'dir.yaml: .*(folder|directory)' "is told as one"
  sed 's/^    act: consent/    act: konsent/' "$good" >"$S/word.yaml"
  line=$(grep -n 'konsent' "$S/word.yaml" | cut -d: -f1)
  exits 1 "an act that there isn't" ceremony rehearse "$S/word.yaml" --unattended --fast --home "$S/a"
  says "word.yaml:$line:[0-9]+: .*konsent" "is told with line and column"
  sed 's/^    act: consent/	act: consent/' "$good" >"$S/tab.yaml"
  exits 1 "a tab" ceremony rehearse "$S/tab.yaml" --unattended --fast --home "$S/a"
  says "tab.yaml:[0-9]+:[0-9]+: " "is told with line and column"
  : >"$S/empty.yaml"
  exits 1 "an empty script" ceremony rehearse "$S/empty.yaml" --unattended --fast --home "$S/a"
  says 'empty.yaml.*empty' "is told as one"
  head -c 3000 /dev/urandom >"$S/noise.yaml"
  exits 1 "noise" ceremony rehearse "$S/noise.yaml" --unattended --fast --home "$S/a"
  says 'noise.yaml' "is told with its name"
  not_ok "and nothing was begun by any of them" sh -c "ls '$S'/a/ceremonies/*"
  if [ "$(id -u)" = 0 ]; then
    # root reads everything; so does a process without that privilege, but for what the mode forbids
    chmod 711 "$(dirname "$T")" "$T"; mkdir -m 777 "$S/b"; cp "$good" "$S/secret.yaml"; chmod 600 "$S/secret.yaml"
    # nor need anybody else be able to read the folder that it was built in
    install -D -m 755 -t "$S/p/bin" "$B/ceremony" "$B/ceremony-media"; install -D -m 644 -t "$S/p/scripts" "$ROOT"/scripts/*.yaml
    exits 1 "an unreadable script" setpriv --bounding-set=-all --inh-caps=-all --reuid=65534 --regid=65534 --clear-groups env HOME="$S/b" CEREMONY_MEDIA="$S/p/bin/ceremony-media" \
      "$S/p/bin/ceremony" rehearse "$S/secret.yaml" --unattended --fast --home "$S/b"
  else
    cp "$good" "$S/secret.yaml"; chmod 0 "$S/secret.yaml"
    exits 1 "an unreadable script" ceremony rehearse "$S/secret.yaml" --unattended --fast --home "$S/b"
  fi
  says 'secret.yaml.*([Pp]ermission denied|may not be read)' "is told with its name"
}

scenario pins
scenario token
scenario terminal
scenario aborted
scenario scripts
scenarios_end

#!/usr/bin/env bash
# Trusted timestamps, by an authority that openssl ts plays: over the opening and the final checkpoint, over the witness's signature, and none where it doesn't answer.
. "$(dirname "$0")/lib.sh"
plan 18
cd "$T" || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=TSA-CA -days 30 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tsa.key -out tsa.csr -subj /CN=TSA 2>/dev/null
echo 'extendedKeyUsage=critical,timeStamping' >ext
openssl x509 -req -in tsa.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ext -days 20 -out tsa.crt 2>/dev/null
echo 01 >serial
cat >tsa.cnf <<CNF
[tsa]
default_tsa = t
[t]
serial = $T/serial
signer_cert = $T/tsa.crt
signer_key = $T/tsa.key
certs = $T/ca.crt
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
ordering = no
tsa_name = no
clock_precision_digits = 3
CNF
cat >server.py <<'PY'
import http.server, subprocess
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *a): pass
    def do_POST(self):
        open("query", "wb").write(self.rfile.read(int(self.headers["Content-Length"])))
        reply = subprocess.run(["openssl", "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query"], capture_output=True).stdout
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
open("port.new", "w").write(str(server.server_port))
import os
os.rename("port.new", "port")
server.serve_forever()
PY
python3 server.py & server=$!
trap 'kill $server 2>/dev/null; rm -rf "$T"' EXIT
for _ in $(seq 300); do [ -s port ] && break; sleep 0.1; done
url=http://127.0.0.1:$(cat port)/

result () {     # BUNDLE TRUST CHECK: its result and reason
  ceremony verify --json --no-video --trust "$2" "$1" | python3 -c '
import json, sys
v = json.load(sys.stdin)
v = v[0] if isinstance(v, list) else v
print(*[(c["result"] + ": " + c["reason"]) for c in v["checks"] if c["id"] == sys.argv[1]])' "$3"
}
is () { result "$1" "$2" timestamps | tee /dev/stderr | grep -qE "$3"; }

ok "a rehearsal with an authority to ask" rehearse "$T/a" --tsa "$url"
bundle=$(ls a/ceremonies/*/20*.asice)
ok "two timestamps lie in it" sh -c "test \$(unzip -l $bundle | grep -c 'journal/timestamps/[0-9]*.tsr') = 2"
mkdir x; unzip -q -d x "$bundle" 'journal/*'
last=$(wc -l <x/journal/events.jsonl)
ok "one is over the final checkpoint" test -f "x/journal/timestamps/$last.tsr"
# The note is what the QR code shows: the last one of the file, from its origin line on.
python3 - x/journal/checkpoints.txt <<'PY' >note
import sys
lines = open(sys.argv[1]).read().split("\n")
starts = [i for i, line in enumerate(lines) if "/ceremony/" in line and not line.startswith("—")]
sys.stdout.write("\n".join(lines[starts[-1]:]).rstrip("\n") + "\n")
PY
ok "openssl ts says that it is over that note" openssl ts -verify -data note -in "x/journal/timestamps/$last.tsr" -CAfile ca.crt -untrusted tsa.crt
ok "by an authority that isn't trusted it is a warning" is "$bundle" a/trust '^warn: .*isn.t trusted'
mkdir -p a/trust/tsa; cp tsa.crt a/trust/tsa/tsa.pem
ok "by one that is it counts" is "$bundle" a/trust '^pass: 2 timestamps over checkpoints'
sed 's/^timestamp_required:.*/timestamp_required: true/' "$ROOT/scripts/rehearsal-policy.yaml" >asks.yaml
grep -q '^timestamp_required: true' asks.yaml || echo 'timestamp_required: true' >>asks.yaml
ok "and is what a policy asks for" sh -c "ceremony verify --json --no-video --trust a/trust --policy asks.yaml $bundle | grep -q '\"genuine\": *true'"

ok "a rehearsal where nobody answers" rehearse "$T/b" --tsa http://127.0.0.1:1/
bare=$(ls b/ceremonies/*/20*.asice)
ok "goes on without" is "$bare" b/trust '^skipped: no timestamps'
with_policy () { ceremony verify --json --no-video --trust "$2" --policy asks.yaml "$1"; }
exits 1 "which a policy that asks for one refuses" with_policy "$bare" b/trust
says 'timestamp over the whole journal, and none was taken' "and says why"

# The same evidence, sealed elsewhere: the signature bears the timestamp.
ok "a rehearsal that nobody seals" sh -c "sed 's/^local_seal:.*/local_seal: never/' $ROOT/scripts/rehearsal-policy.yaml >never.yaml"
ok "is closed" rehearse "$T/c" --policy never.yaml
unsealed=$(ls c/ceremonies/*/20*.asice)
seal="ceremony seal --trust c/trust --key c/rehearsal/witness.pem --secret-file c/rehearsal/challenge-secret --opinion witnessed"
exits 2 "an authority that doesn't answer is no reason to sign without" $seal --tsa http://127.0.0.1:1/ "$unsealed"
says 'nobody answers at http://127.0.0.1:1/.*refused' "and that is said"
ok "sealed with a timestamp" $seal --tsa "$url" "$unsealed"
mkdir -p c/trust/tsa; cp tsa.crt c/trust/tsa/tsa.pem
ok "which counts" is "$unsealed" c/trust 'one over a signature of the bundle'
ok "also where a policy asks for one" sh -c "ceremony verify --json --no-video --trust c/trust --policy asks.yaml $unsealed | grep -q '\"genuine\": *true'"

# What every command does with a file that isn't what it should be: says so in a line on standard error, with the file's name, and ends with status 1 or 2.
. "$(dirname "$0")/lib.sh"
cd "$T"
order=$ROOT/tests/fuzz/seeds/asice/order
mkdir folder trust home
: >empty
head -c 65536 /dev/urandom >noise
head -c 6000 "$order" >half
{ cat "$order"; printf x; } >longer
printf '\033]0;title\007\033[31m: \377\376 no container\n' >escapes
ln -s loop loop
mkfifo fifo
python3 -c 'import zipfile
with zipfile.ZipFile("zip", "w") as z: z.writestr("../../up", "x"); z.writestr("mimetype", "application/zip")'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2>/dev/null
openssl req -x509 -new -key key.pem -subj /CN=Wilma -days 2 >cert.pem 2>/dev/null
cat key.pem cert.pem >signer.pem
ceremony challenge new -o secret >/dev/null
cp "$ROOT/scripts/code-signing.yaml" script.yaml
cp "$ROOT/scripts/default-policy.yaml" policy.yaml
export CEREMONY_HOME=$T/home

# FILE stands for each bad file.
commands='verify FILE
verify --json FILE
extract FILE -d out
order show FILE
order check FILE
play FILE --print
attest FILE
keycheck FILE
script check FILE
script print FILE
challenge --secret-file FILE --checkpoint FILE
challenge --secret-file secret --checkpoint FILE
seal FILE --trust trust --key signer.pem --opinion witnessed
verify --trust FILE half
verify --policy FILE half
verify --vendors FILE half
verify --modules FILE half
attest --vendors FILE cert.pem
attest --csr FILE cert.pem
order new -o new.asice --script script.yaml --policy policy.yaml --fields FILE --key signer.pem
order new -o new.asice --script script.yaml --policy policy.yaml --appliance FILE --key signer.pem
order new -o new.asice --script FILE --policy FILE --key signer.pem
run FILE --trust trust'
bad='none empty folder noise half longer escapes loop zip fifo /dev/zero'

# A report that is printed as a result (a verdict, a finding) needs no complaint beside.
refuses () {
  local status
  timeout 20 ceremony "$@" <"/dev/null" >stdout 2>stderr
  status=$?
  [ $status = 1 ] || [ $status = 2 ] || { echo "exit status $status"; head -c 2000 stderr; return 1; }
  [ -s stderr ] || [ -s stdout ] || { echo "not a word"; return 1; }
  if LC_ALL=C grep -q "$(printf '[\001-\010\013-\037\177]')" stdout stderr; then echo "control characters"; cat -v stdout stderr; return 1; fi
  iconv -f UTF-8 -t UTF-8 stdout stderr >/dev/null || { echo "bytes that aren't UTF-8"; return 1; }
  [ ! -e out/up ] && [ ! -e ../up ] && [ ! -e new.asice ] || { echo "something was written"; return 1; }
  [ -z "$(ls -A home)" ] || { echo "a ceremony was begun"; ls -R home; rm -rf home/*; return 1; }
  rm -rf out
}
plan "$(($(echo "$commands" | wc -l) * $(echo $bad | wc -w)))"
while read -r command; do
  for file in $bad; do
    # shellcheck disable=SC2086
    ok "ceremony ${command//FILE/$file}" refuses ${command//FILE/$file}
  done
done <<<"$commands"

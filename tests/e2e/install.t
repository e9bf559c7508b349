#!/usr/bin/env bash
# make install into a folder of its own; the installed program finds its parts and works from elsewhere, with a bare environment.
. "$(dirname "$0")/lib.sh"
plan 18
unset CEREMONY_MEDIA CEREMONY_VENDORS CEREMONY_MODULES MAKEFLAGS MAKELEVEL MFLAGS
D=$T/dest
install_it () { (umask 077; make -C "$ROOT" --no-print-directory B="$BUILD" DESTDIR="$D" PREFIX=/usr install); }
ok "make install" install_it
[ -x "$D/usr/bin/ceremony" ] || bail "nothing to test was installed"
files () { (cd "$D" && find . -type f | sort); }
wanted () {
  printf './usr/%s\n' bin/ceremony libexec/ceremony/ceremony-media
  (cd "$ROOT" && for f in scripts/*.yaml; do echo "./usr/share/ceremony/$f"; done; for f in docs/man/*.[0-9]; do echo "./usr/share/man/man${f##*.}/${f##*/}"; done)
}
ok "two programs, scripts and manual, nothing else" diff <(wanted | sort) <(files)
readable () { ! find "$D" \( -type d ! -perm -755 -o -type f ! -perm -644 \) | grep .; }
ok "everybody can read it, whatever the umask" readable
leaks () { ! grep -rlF -- "$D" "$D"; }
ok "it doesn't name the folder that it was staged in" leaks

mkdir -m 700 "$T/away"; cd "$T/away"
# As cron or a service would start it: no HOME, no TERM, no language.
bare () { env -i PATH=/usr/bin:/bin ${TMPDIR:+TMPDIR=$TMPDIR} ${ASAN_OPTIONS:+ASAN_OPTIONS="$ASAN_OPTIONS"} "$@" </dev/null; }
ceremony=$D/usr/bin/ceremony
ok "--version" bare "$ceremony" --version
bare "$ceremony" doctor --home "$T/away/home" >"$T/out" 2>&1
says 'recorder|ceremony-media' "doctor looks at the recorder"
missing () { ! grep -E 'neither beside|ceremony-media: (no|not)' "$T/out"; }
ok "doctor finds ceremony-media" missing
ok "rehearse" bare "$ceremony" rehearse --unattended --fast --home "$T/away/home"
bundle=$(ls "$T"/away/home/ceremonies/*/20*.asice)
exits 1 "verify: a rehearsal is refused" bare "$ceremony" verify --trust "$T/away/home/trust" "$bundle"
says 'pictures.codes' "verify looked at the video"
ok "and every check but rehearsal passed" sh -c '"$@" | grep -q "\"genuine\":true"' sh env "$ceremony" verify --json --trust "$T/away/home/trust" "$bundle"
ok "script check" bare "$ceremony" script check "$D/usr/share/ceremony/scripts/code-signing.yaml"
echo nothing >"$T/nothing"
bare CEREMONY_VENDORS="$T/none.yaml" "$ceremony" attest "$T/nothing" >"$T/out" 2>&1
says 'none\.yaml: no such file' "attest needs its list of vendors"
bare "$ceremony" attest "$T/nothing" >"$T/out" 2>&1
says 'nothing: not a form of attestation' "and finds it"
ok "nothing was left in the folder that it was called in" diff <(ls -A) <(echo home)
page () { man -l "$D/usr/share/man/man1/ceremony.1" </dev/null 2>/dev/null | grep -qi 'ceremony'; }
if command -v man >/dev/null; then ok "man -l shows the page" page; else n=$((n + 1)); echo "ok $n - man # SKIP no man"; fi

# A program that was replaced after its start: what runs is what is named, not what lies there now.
replaced () (
  cp "$ceremony" "$T/old"
  exec 9<"$T/old"
  rm "$T/old"
  share=$D/usr/share/ceremony/scripts
  CEREMONY_MEDIA=$D/usr/libexec/ceremony/ceremony-media CEREMONY_VENDORS=$share/vendors.yaml exec /proc/self/fd/9 rehearse "$share/code-signing.yaml" \
    --policy "$share/rehearsal-policy.yaml" --unattended --fast --home "$T/replaced" </dev/null
)
ok "a program whose file is gone holds a rehearsal" replaced
ok "and its own SHA-256 is in the evidence" sh -c 'unzip -p "$1" evidence.json | grep -q "$(sha256sum <"$2" | cut -d" " -f1)"' sh "$(ls "$T"/replaced/ceremonies/*/20*.asice)" "$ceremony"

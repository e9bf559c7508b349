#!/usr/bin/env bash
# How both programs are linked: what makes a mistake in C harder to exploit, and the wall between PINs and codecs.
. "$(dirname "$0")/lib.sh"
command -v readelf >/dev/null || { echo "1..0 # SKIP readelf is not installed"; exit 0; }
plan 27
export LC_ALL=C

# elf OPTION PATTERN FILE: readelf's answer has a line of that pattern; no_elf: it has none.
elf () { readelf -W "$1" "$3" >"$T/elf" && { grep -E -e "$2" "$T/elf" || { cat "$T/elf"; return 1; }; }; }
no_elf () { readelf -W "$1" "$3" >"$T/elf" && ! grep -E -e "$2" "$T/elf"; }
# Every library that is loaded at its start, and those that these load.
loads_none () { ldd "$2" >"$T/ldd" && ! grep -E -e "$1" "$T/ldd"; }

for program in ceremony ceremony-media; do
  f=$B/$program
  ok "$program is position independent" elf --file-header 'Type: +DYN .*(Position-Independent Executable|Shared object)' "$f"
  ok "$program is marked so" elf --dynamic 'FLAGS_1.* PIE' "$f"
  ok "$program has a segment that is read-only after relocation" elf --program-headers 'GNU_RELRO' "$f"
  ok "$program binds everything at its start" elf --dynamic '\(FLAGS\).*BIND_NOW' "$f"
  ok "$program says that its stack isn't executable" elf --program-headers 'GNU_STACK.* RW +0x' "$f"
  ok "$program has no segment that is writable and executable" no_elf --program-headers ' RWE ' "$f"
  ok "$program has no relocation in its code" no_elf --dynamic 'TEXTREL' "$f"
  ok "$program brings no search path for libraries" no_elf --dynamic 'RPATH|RUNPATH' "$f"
  ok "$program guards its stack" elf --dyn-syms ' __stack_chk_fail' "$f"
  ok "$program calls the checked forms of libc's functions" elf --dyn-syms ' __[a-z]+_chk' "$f"
  if [ "$(uname -m)" = x86_64 ]; then
    ok "$program is marked for indirect branch tracking and shadow stacks" elf --notes 'x86 feature: IBT, SHSTK' "$f"
  else
    n=$((n + 1)); echo "ok $n - control-flow marks # SKIP they are x86_64's"
  fi
done

ok "ceremony loads no GStreamer, zbar, libvterm or Pango" loads_none 'libgst|libzbar|libvterm|libpango' "$B/ceremony"
ok "ceremony-media links no token library, TLS or database" no_elf --dynamic 'NEEDED.*(libp11|libssl|libsqlite|libncurses)' "$B/ceremony-media"

# The checks can fail: a program that has none of this.
echo 'char *gets_any (char *s) { return s; } int main (void) { return gets_any ("") == 0; }' >"$T/soft.c"
${CC:-gcc} -no-pie -fno-stack-protector -fcf-protection=none -Wl,-z,norelro,-z,lazy,-z,execstack "$T/soft.c" -o "$T/soft" 2>/dev/null ||
  ${CC:-gcc} -no-pie -fno-stack-protector -Wl,-z,norelro,-z,lazy,-z,execstack "$T/soft.c" -o "$T/soft" 2>/dev/null
not_ok "a program without them is told: position" elf --dynamic 'FLAGS_1.* PIE' "$T/soft"
not_ok "a program without them is told: stack" elf --program-headers 'GNU_STACK.* RW +0x' "$T/soft"
not_ok "a program without them is told: binding" elf --dynamic '\(FLAGS\).*BIND_NOW' "$T/soft"

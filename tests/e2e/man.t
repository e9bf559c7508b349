# The manual: every page is clean, every command has one, and pages and --help name the same options.
. "$(dirname "$0")/lib.sh"
command -v mandoc >/dev/null || { echo "1..0 # SKIP mandoc is not installed"; exit 0; }
pages=$ROOT/docs/man

# Options of a page: what is marked up as one. Other programs' options in its examples aren't.
page_options () { grep -o 'Fl -[a-z][a-z-]*' "$1" | sed 's/^Fl -/--/' | grep -vx -e --help | sort -u; }
help_options () { "$@" --help </dev/null | grep -o -- '--[a-z][a-z-]*' | grep -vx -e --help | sort -u; }
same_options () {
  local page=$1; shift
  diff <(help_options "$@") <(page_options "$page") || { echo "(< only in --help, > only in ${page##*/})"; return 1; }
}
# Nothing but the summary: on standard output, with a first line that says usage.
helps () {
  "$@" --help </dev/null >"$T/help" 2>"$T/error" && [ ! -s "$T/error" ] && head -1 "$T/help" | grep -q "^usage: $*"
}
# The sections that a page of a command must have; one name, the file's.
whole_page () {
  local name=${1##*/} title
  title=$(echo "${name%.[0-9]}" | tr a-z A-Z)
  grep -qx ".Nm ${name%.[0-9]}" "$1" && grep -qx ".Dt $title ${name##*.}" "$1" &&
  case $name in
    *.[18]) grep -qx '.Sh SYNOPSIS' "$1" && grep -qx '.Sh EXIT STATUS' "$1" ;;
    *.5) grep -qx '.Sh EXAMPLES' "$1" ;;
  esac
}
# Cross references within the manual lead somewhere.
references () {
  local status=0 name section
  while read -r name section; do
    [ -e "$pages/$name.$section" ] || { echo "there is no page $name($section)"; status=1; }
  done < <(sed -n 's/^\.Xr \(ceremony[a-z-]*\) \([0-9]\).*/\1 \2/p' "$1" | sort -u)
  return $status
}
listed () { [ -e "$pages/ceremony-$1.1" ] && grep -qxE ".(It )?Xr ceremony-$1 1( ,)?" "$pages/ceremony.1"; }

commands=$(ceremony --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
[ -n "$commands" ] || bail "ceremony --help lists no command"
set -- $commands
files=$(ls "$pages"/*.[0-9])
plan $(($# * 3 + $(echo "$files" | wc -l) * 3 + 4))

for page in $files; do
  ok "${page##*/}: clean" mandoc -Tlint -Wwarning "$page"
  ok "${page##*/}: has its name and sections" whole_page "$page"
  ok "${page##*/}: its references are there" references "$page"
done
for c in $commands; do
  ok "$c: has a page, and ceremony(1) names it" listed "$c"
  ok "$c: --help on standard output, exit status 0" helps ceremony "$c"
  ok "$c: page and --help name the same options" same_options "$pages/ceremony-$c.1" ceremony "$c"
done
orphans () {
  local page name status=0
  for page in "$pages"/ceremony-*.1; do
    name=${page##*/ceremony-}
    name=${name%.1}
    echo " "$commands" " | tr '\n' ' ' | grep -q " $name " || { echo "no command $name"; status=1; }
  done
  return $status
}
ok "no page of a command that isn't there" orphans
ok "ceremony --help" helps ceremony
ok "ceremony-media --help" helps ceremony-media
exits 2 "a command that isn't there" ceremony nonsense

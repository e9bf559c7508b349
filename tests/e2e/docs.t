#!/usr/bin/env bash
# README and docs: links lead somewhere, and every command and option that they name is one that the program knows.
. "$(dirname "$0")/lib.sh"
plan 5
cd "$ROOT"
pages="README.md docs/*.md"

links () {
  local status=0 page to
  for page in $pages; do
    while read -r to; do
      case $to in http*|'#'*) continue ;; esac
      [ -e "$(dirname "$page")/${to%%#*}" ] || { echo "$page: $to isn't there"; status=1; }
    done < <(grep -oE '\]\([^) ]+\)' "$page" | sed 's/^](//; s/)$//')
  done
  return $status
}
# `ceremony COMMAND …` in backquotes, or at the start of a line in a block.
named () { grep -ohE '`ceremony [a-z][^`]*`|^(\$ )?ceremony [a-z].*' $pages | tr -d '`' | sed 's/^\$ //' | sort -u; }
commands () {
  local status=0 known word
  known=$(ceremony --help | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p')
  for word in $(named | awk '{ print $2 }' | sort -u); do grep -qx "$word" <<<"$known" || { echo "there is no ceremony $word"; status=1; }; done
  return $status
}
options () {
  local status=0 line word help
  while read -r line; do
    help=$(ceremony "$(awk '{ print $2 }' <<<"$line")" --help </dev/null 2>&1)
    for word in $(grep -oE -- '--[a-z][a-z-]+' <<<"$line"); do
      grep -qE -- "$word([^a-z-]|$)" <<<"$help" || { echo "$line: no option $word"; status=1; }
    done
  done < <(named)
  return $status
}
targets () {
  local status=0 word
  for word in $(grep -ohE '(`|^)make [a-z]+' $pages | awk '{ print $2 }' | sort -u); do grep -qE "^$word:" Makefile || { echo "there is no make $word"; status=1; }; done
  return $status
}
ok "links lead somewhere" links
ok "commands are named" test "$(named | wc -l)" -gt 10
ok "every command that is named exists" commands
ok "with every option that is named" options
ok "make's targets exist" targets

#!/bin/sh
# Every C file is as clang-format (version 14) would have it, by .clang-format at the top of the tree.
#
#     formatted.sh CLANG-FORMAT STYLE-FILE ROOT
#
# Prints each file that is not, and exits with 1 when there is one.
set -eu
format=$1
style=$2
cd "$3"
said=$(mktemp)
trap 'rm -f "$said"' EXIT

files=$(find . \( -path './build*' -o -path ./.git -o -path ./tests/house/wrong \) -prune -o -name '*.[ch]' -print | sort)
[ -n "$files" ] || { echo "no files in $3" >&2; exit 2; }

# One call for all: clang-format takes longer to start than to read a file. Of what it says the names are wanted.
if "$format" --style="file:$style" --dry-run -Werror $files 2>"$said"; then
	exit 0
fi
grep -q ': error: ' "$said" || cat "$said"
sed -n 's/^\([^:]*\):[0-9]*:[0-9]*: error: .*/\1/p' "$said" | sort -u
exit 1

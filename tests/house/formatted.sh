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

files=$(find . \( -path './build*' -o -path ./.git -o -path ./tests/house/wrong \) -prune -o -name '*.[ch]' -print | sort)
[ -n "$files" ] || { echo "no files in $3" >&2; exit 2; }

bad=0
for file in $files; do
	"$format" --style="file:$style" --dry-run -Werror "$file" >/dev/null 2>&1 || { echo "$file"; bad=1; }
done
exit $bad

#!/bin/sh
# Functions that our code does not call: those that write without knowing how much room there is, those that start a shell,
# those that keep their state out of sight. Tests may call what they like.
#
#     banned.sh ROOT
#
# Prints each call, and exits with 1 when there is one.
set -eu
cd "$1"

banned='strcpy|strcat|stpcpy|sprintf|vsprintf|gets|alloca|strdupa|strndupa|system|popen|strtok|mktemp|tmpnam|tempnam'
banned="$banned|asctime|ctime|localtime|gmtime|rand|srand|longjmp|siglongjmp|vfork"

files=$(find . \( -path ./tests -o -path './build*' -o -path ./.git \) -prune -o -name '*.[ch]' -print | sed 's|^\./||' | sort)
[ -n "$files" ] || { echo "no files in $1" >&2; exit 2; }

# Texts and comments are taken out first, line by line.
bad=0
for file in $files; do
	sed -E 's/"([^"\\]|\\.)*"/""/g; s|/\*.*\*/||g; s|//.*||; /^ ?\*/d; s|/\*.*||' "$file" |
		grep -qE "(^|[^A-Za-z0-9_.>])($banned)[[:space:]]*\(" || continue
	grep -nE "(^|[^A-Za-z0-9_.>])($banned)[[:space:]]*\(" "$file" | sed "s|^|$file:|"
	bad=1
done
exit $bad

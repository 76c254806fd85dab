#!/bin/sh
# A pure room computes: it calls nothing that touches the world, and it does not allocate.
#
#     purity.sh [-a REGEX]... ARCHIVE [NEIGHBOUR-ARCHIVE]...
#
# Looks at every symbol that the archive leaves undefined. Allowed are the memory and string functions below, what
# compilers and sanitizers put in, what the neighbours define, and names that a REGEX (extended) matches whole. Prints the others
# and exits with 1; with 2 when it cannot tell.
set -eu
LC_ALL=C
export LC_ALL

allowed='__assert_fail
mem(cpy|move|set|cmp|chr|rchr|mem|pcpy)|rawmemchr|bcmp
str(n?len|n?cmp|n?casecmp|r?chr|chrnul|str|c?spn|pbrk)|stp?n?cpy
__(mem|st)[a-z]+_chk|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|__tls_get_addr
__(asan|ubsan|lsan|msan|tsan|sanitizer|sancov|gcov|llvm|start|stop)_.*|__sanitizer_.*|__(start|stop)___sanc.*
__(u?div|u?mod)(ti|di)3|__popcountdi2|__cpu_model|__cpu_indicator_init'
while getopts a: option; do
	case $option in
	a) allowed="$allowed
$OPTARG" ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nm -u "$1" >"$work/nm" || exit 2
awk '$1 ~ /^[Uvw]$/ && NF == 2 { print $2 }' "$work/nm" | sort -u >"$work/wanted"
nm -g --defined-only "$@" >"$work/nm" || exit 2
awk 'NF == 3 { print $3 }' "$work/nm" | sort -u >"$work/defined"
[ -s "$work/defined" ] || { echo "$1: no symbols" >&2; exit 2; }
printf '%s\n' "$allowed" | sed 's/.*/^(&)$/' >"$work/allowed"
if comm -23 "$work/wanted" "$work/defined" | grep -Evf "$work/allowed" >"$work/foreign"; then
	echo "$1 wants what a pure room must not have:"
	cat "$work/foreign"
	exit 1
fi

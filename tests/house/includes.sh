#!/bin/sh
# Each room includes only headers of the rooms it may know (docs/architecture.md). Tests and bench may know all.
#
#     includes.sh ROOT
#
# Prints each include that is not allowed, and exits with 1 when there is one.
set -eu
cd "$1"

# Room: what it may include besides its own headers. A header that is named whole is a part of a room. The log is an effect,
# and so no part of base for rooms that are pure.
rooms='
parser:
router:
cm/base:
cm/xmpp: cm/base parser
cm/startalk: parser
cm/io: cm/base cm/base/log.h
cm/net: cm/base cm/base/log.h cm/io router/link.h
cm/path: cm/base cm/base/log.h cm/io cm/net cm/xmpp cm/startalk parser router
cm/ops: cm/base cm/base/log.h cm/io cm/net cm/xmpp cm/path parser router
cm: cm/base cm/base/log.h cm/io cm/net cm/xmpp cm/path cm/ops parser router backends/sessiond/include
backends/sessiond: cm/base cm/net/link_secret.h cm/xmpp/certificate_user.h cm/xmpp/jid.h parser router
'

files=$(find . \( -path ./tests -o -path ./bench -o -path './build*' -o -path ./.git \) -prune -o \
	\( -name '*.[ch]' -o -name '*.def' \) -print | sed 's|^\./||' | sort)
[ -n "$files" ] || { echo "no files in $1" >&2; exit 2; }

{ printf '%s\n' "$rooms"; echo '--'; printf '%s\n' "$files"; echo '--'
  printf '%s\n' "$files" | xargs grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' || :; } | awk '
$0 == "--" { part++; next }
!part && NF { room = $1; sub(/:$/, "", room); may[room] = " " room " "; for (i = 2; i <= NF; i++) may[room] = may[room] $i " " }
part == 1 { known[$0] = 1 }
part == 2 {
	split($0, at, ":")
	file = at[1]
	header = $0
	sub(/^[^"]*"/, "", header)
	sub(/".*/, "", header)
	check(file, at[2], header)
}
function room_of(path, best, name) {
	best = ""
	for (name in may)
		if (index(path, name "/") == 1 && length(name) > length(best))
			best = name
	return best
}
# The header'"'"'s place is its folder, or itself when some room names it whole.
function is_allowed(room, path, words, n, i) {
	n = split(may[room], words, " ")
	for (i = 1; i <= n; i++)
		if (words[i] == path || (room_of(path) == words[i] && !is_apart(path)))
			return 1
	for (i = 1; i <= n; i++)
		if (index(path, words[i] "/") == 1 && !(words[i] in may))
			return 1
	return 0
}
# The log lives in base, but only rooms that name it may have it; the rest of base may not.
function is_apart(path) {
	return path == "cm/base/log.h"
}
function check(file, line, header, here, room, path, found) {
	here = file
	sub(/[^\/]*$/, "", here)
	if ((here header) in known && !(is_apart(here header) && file !~ /\/log(_line)?\.[ch]$/))
		return
	room = room_of(file)
	for (path in known)
		if (path == header || substr(path, length(path) - length(header)) == "/" header) {
			found = found " " path
			if (room == "" || is_allowed(room, path))
				return
		}
	print file ":" line ": " (room == "" ? file : room) " may not include" (found == "" ? " " header ", which is not in the tree" : found)
	bad = 1
}
END { exit bad }'

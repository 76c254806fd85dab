#!/bin/sh
# Each event that is logged is of a room of the log: the word before its dot is in cm/base/log_room.def. And no field is called
# like one that every line has, since a line of JSON would have it twice, and most who read it would see the last alone.
#
#     events.sh ROOT
#
# Prints each event and each field that is not so, and exits with 1 when there is one.
set -eu
cd "$1"

rooms=$(sed -n 's/^ROOM(\([a-z]*\),.*/\1/p' cm/base/log_room.def | paste -sd '|')
[ -n "$rooms" ] || { echo "no rooms in $1" >&2; exit 2; }
bad=0
grep -rnoE --include='*.c' 'log_(event|write)\([A-Za-z_]+, "[^"]*"' cm | grep -vE "\"($rooms)\.[a-z_]+\"$" && bad=1
grep -rnE --include='*.c' 'log_(text|bytes|count|number)\("(time|level|event)"' cm && bad=1
exit $bad

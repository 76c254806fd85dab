#!/bin/sh
# Each event that is logged is of a room of the log: the word before its dot is in cm/base/log_room.def.
#
#     events.sh ROOT
#
# Prints each event that is not, and exits with 1 when there is one.
set -eu
cd "$1"

rooms=$(sed -n 's/^ROOM(\([a-z]*\),.*/\1/p' cm/base/log_room.def | paste -sd '|')
[ -n "$rooms" ] || { echo "no rooms in $1" >&2; exit 2; }
! grep -rnoE --include='*.c' 'log_(event|write)\([A-Za-z_]+, "[^"]*"' cm | grep -vE "\"($rooms)\.[a-z_]+\"$"

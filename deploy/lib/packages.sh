# Packages of Debian: install what deploy/packages.txt names and is missing. Source this; `root` is the project's folder.

# packages_of SET...: their names.
packages_of() {
	local set
	for set in "$@"; do
		awk -v set="$set" '$1 == set { print $2 }' "$root/deploy/packages.txt"
	done
}

# packages_missing NAME...: those that are not installed.
packages_missing() {
	local name
	for name in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || echo "$name"
	done
}

# packages_install SET...: quiet when there is nothing to do.
packages_install() {
	local missing log
	command -v dpkg-query >/dev/null || {
		echo "This is not Debian. Needed are what these packages hold: $(packages_of "$@" | xargs)" >&2
		return 0
	}
	missing=$(packages_missing $(packages_of "$@"))
	[ -n "$missing" ] || return 0
	echo "installing: $(echo $missing)"
	log=$(mktemp)
	as_root apt-get update -qq >"$log" 2>&1
	# Services that come with a package are not wanted: nothing may listen because of us.
	if ! as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -q --no-install-recommends $missing >>"$log" 2>&1; then
		tail -n 30 "$log" >&2
		echo "could not install: $(echo $missing)" >&2
		return 1
	fi
	rm -f "$log"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

# Building. Source this; `root` is the project's folder.

# build_configure DIR OPTION...: sets the build folder up, or changes its options when it is there.
build_configure() {
	local dir=$1 log
	shift
	log=$(mktemp)
	if [ -f "$dir/build.ninja" ]; then
		if [ $# -eq 0 ] || meson configure "$dir" "$@" >"$log" 2>&1; then
			rm -f "$log"
			return 0
		fi
	elif meson setup "$dir" "$root" "$@" >"$log" 2>&1; then
		rm -f "$log"
		return 0
	fi
	cat "$log" >&2
	return 1
}

# build_targets DIR TARGET...: no target: everything. Says nothing when there is nothing to do.
build_targets() {
	local dir=$1 log
	shift
	ninja -C "$dir" -n "$@" 2>&1 | grep -q 'no work to do' && return 0
	echo "building in ${dir#"$root"/}"
	log=$(mktemp)
	if ! timeout 1200 ninja -C "$dir" "$@" >"$log" 2>&1; then
		# What was built is of no interest now, what could not be is.
		grep -vE '^\[[0-9]+/[0-9]+\]' "$log" | tail -n 60 >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

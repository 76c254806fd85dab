# Options that have a value. Source this; the script has a help().

# option_value "$@", with the option first: whether a value follows it, and not the next option. If not: usage, and exit status 2.
option_value() {
	case ${2-} in
	'' | --*) ;;
	*) return 0 ;;
	esac
	echo "$1 needs a value" >&2
	help >&2
	exit 2
}

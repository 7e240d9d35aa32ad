#!/bin/sh
# debian: prometheus
# Has promtool (Debian package `prometheus`) judge what /metrics shows: any complaint fails.
#
#   tests/debian/promtool.sh              the exposition of a full configuration, written by the suite
#   tests/debian/promtool.sh URL          a running process, http://127.0.0.1:9464/metrics
#   tests/debian/promtool.sh - < FILE     an exposition on standard input
set -eu
cd "$(dirname "$0")/../.."

fail() {
    echo "promtool: $*" >&2
    exit 1
}

command -v promtool > /dev/null || fail "promtool is missing: apt-get install --no-install-recommends prometheus"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# Prints what promtool has to say about a file; nothing is praise.
judge() {
    promtool check metrics < "$1" 2>&1 || echo "promtool exited $?"
}

case "${1-}" in
    "") DEPOSIT_WATCHER_METRICS_OUT="$work/metrics" cargo test --quiet --locked --test house metrics:: >&2 ;;
    -) cat > "$work/metrics" ;;
    *) curl --fail --silent --show-error --max-time 10 --output "$work/metrics" "$1" || fail "$1 cannot be read" ;;
esac

grep -q '^deposit_watcher_build_info' "$work/metrics" || fail "this is no exposition of deposit-watcher"

# A judge that never objects is none.
printf '# TYPE planted counter\nplanted 1\n' > "$work/planted"
[ -n "$(judge "$work/planted")" ] || fail "promtool finds nothing wrong with a counter without help and suffix"

complaints=$(judge "$work/metrics")
[ -z "$complaints" ] || fail "$complaints"
echo "promtool: $(grep -c '^# TYPE' "$work/metrics") metrics, $(grep -vc '^#' "$work/metrics") lines, no complaint"

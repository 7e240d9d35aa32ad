#!/usr/bin/env bash
# Keeps .sqlx true: compiles every query against a PostgreSQL with our migrations and compares what sqlx finds with what
# is committed (`check`), or replaces it (`prepare`). Needs no sqlx-cli: the macros write to SQLX_OFFLINE_DIR themselves.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:?check or prepare}

# shellcheck source=tests/ground.sh
. tests/ground.sh
work=$(mktemp -d)
trap 'ground_down; rm -rf "$work"' EXIT
mkdir "$work/fresh"
ground_up "$work" --migrate

# cargo does not know that the macros depend on these variables: what holds queries must look changed.
find src tests -name '*.rs' \( -name lib.rs -o -name main.rs -o -path 'tests/*' \) -not -path 'tests/tools/*' -exec touch {} +
SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$work/fresh" cargo check --locked --quiet --all-targets 3>&-

found=$(find "$work/fresh" -name 'query-*.json' | wc -l | tr -d ' ')
mkdir -p .sqlx
case $mode in
prepare)
    rm -f .sqlx/query-*.json
    find "$work/fresh" -name 'query-*.json' -exec cp {} .sqlx/ \;
    echo "sqlx: wrote $found queries to .sqlx"
    ;;
check)
    if ! diff -r "$work/fresh" .sqlx; then
        echo "sqlx: .sqlx is stale (< what the code needs, > what is committed): run \`make sqlx-prepare\`" >&2
        exit 1
    fi
    echo "sqlx: .sqlx is what the $found queries need"
    ;;
*)
    echo "sqlx: check or prepare, not $mode" >&2
    exit 64
    ;;
esac
rmdir .sqlx 2>/dev/null || true

#!/usr/bin/env bash
# The commands of the documents that need more than Rust and Node.js: psql, pg_dump, pg_restore, createdb, openssl, promtool
# and amtool, as printed, against a running system. All others are run by `make test`.
# debian: openssl postgresql-15 prometheus prometheus-alertmanager
set -euo pipefail
cd "$(dirname "$0")/../.."
export DEPOSIT_WATCHER_POSTGRES_BIN=/usr/lib/postgresql/15/bin
export PATH="$DEPOSIT_WATCHER_POSTGRES_BIN:$PATH:/usr/sbin:/sbin"
# A filter that finds nothing passes, too.
said=$(RUST_BACKTRACE=0 timeout 600 cargo test --quiet --locked --test readme -- --ignored debian) || {
    echo "commands: $said" >&2
    exit 1
}
grep -q '^test result: ok. 1 passed' <<<"$said" || {
    echo "commands: nothing was run: $said" >&2
    exit 1
}
echo "$said"

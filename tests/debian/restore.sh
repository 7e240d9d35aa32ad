#!/usr/bin/env bash
# A dump taken while it works, restored when the chain has gone on.
# debian: postgresql-15
set -euo pipefail
export DEPOSIT_WATCHER_POSTGRES_BIN=/usr/lib/postgresql/15/bin
"$DEPOSIT_WATCHER_POSTGRES_BIN/pg_dump" --version
said=$(cargo test --quiet --locked --test e2e -- --ignored --nocapture restore)
echo "$said"
grep -q '^test result: ok. 1 passed' <<<"$said"

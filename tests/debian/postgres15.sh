#!/usr/bin/env bash
# End to end on PostgreSQL 15, the oldest that is supported.
# debian: postgresql-15
set -euo pipefail
export DEPOSIT_WATCHER_POSTGRES_BIN=/usr/lib/postgresql/15/bin
"$DEPOSIT_WATCHER_POSTGRES_BIN/postgres" --version
said=$(cargo test --quiet --locked --test e2e -- --include-ignored \
    postgresql_15 story:: merchant:: pair:: kinds:: outage::the_database database::a_lock database::connections)
echo "$said"
grep -q '^test result: ok. 1[0-9] passed' <<<"$said"

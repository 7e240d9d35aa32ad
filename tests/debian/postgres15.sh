#!/usr/bin/env bash
# End to end on PostgreSQL 15, the oldest that is supported, and a seeded storm on it.
# debian: postgresql-15
set -euo pipefail
export DEPOSIT_WATCHER_POSTGRES_BIN=/usr/lib/postgresql/15/bin
"$DEPOSIT_WATCHER_POSTGRES_BIN/postgres" --version
said=$(cargo test --quiet --locked --test e2e -- --include-ignored \
    postgresql_15 story:: merchant:: pair:: kinds:: reorganisations:: outage::the_database database::)
echo "$said"
grep -q '^test result: ok. [1-9][0-9] passed' <<<"$said"

#!/usr/bin/env bash
# Two real servers with synchronous replication: the primary is gone, its standby promoted, the old one comes back.
# debian: postgresql-15
set -euo pipefail
export DEPOSIT_WATCHER_POSTGRES_BIN=/usr/lib/postgresql/15/bin
said=$(cargo test --quiet --locked --test e2e -- --ignored --nocapture failover)
echo "$said"
grep -q '^test result: ok. 1 passed' <<<"$said"

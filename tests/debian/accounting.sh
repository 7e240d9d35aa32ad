#!/usr/bin/env bash
# The ledger as plain-text accounting, judged by hledger and beancount: months alone and together, and what they come to.
# debian: hledger beancount
set -euo pipefail
hledger --version
bean-check --version
said=$(RUST_BACKTRACE=0 cargo test --quiet --locked --test cli -- --ignored accounting::)
echo "$said"
# A filter that finds nothing passes, too.
grep -q '^test result: ok. 2 passed' <<<"$said"

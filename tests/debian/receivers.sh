#!/usr/bin/env bash
# The receiver in Python does what those in Node.js and Rust do in `make test`.
# debian: python3
set -euo pipefail
said=$(cargo test --quiet --locked --test receivers -- --ignored python)
echo "$said"
# A filter that finds nothing passes, too.
grep -q '^test result: ok. [1-9]' <<<"$said"

#!/usr/bin/env bash
# debian: build-essential
# Has cargo-deny judge what is built into the product: licences, banned crates and where crates come from (deny.toml).
# It is built from crates.io once, below target/, and kept there.
set -euo pipefail
cd "$(dirname "$0")/../.."

VERSION=0.20.2
deny="target/tools/cargo-deny-$VERSION/bin/cargo-deny"

if [ ! -x "$deny" ]; then
    cargo install --quiet --locked --debug --no-default-features --target-dir target/tools/build \
        --root "target/tools/cargo-deny-$VERSION" "cargo-deny@$VERSION"
    rm -rf target/tools/build
fi

"$deny" --log-level error check bans licenses sources

# A judge that never objects is none: a licence of ours and a crate of ours are taken off the list, and it must say so.
planted=$(mktemp)
trap 'rm -f "$planted"' EXIT
sed 's/"Apache-2.0", "MIT", "Unicode-3.0"/"MIT", "Unicode-3.0"/' deny.toml > "$planted"
if "$deny" --log-level off check --config "$planted" licenses > /dev/null 2>&1; then
    echo "deny: a licence that is not allowed was let through" >&2
    exit 1
fi
sed 's/crate = "openssl"/crate = "tokio"/' deny.toml > "$planted"
if "$deny" --log-level off check --config "$planted" bans > /dev/null 2>&1; then
    echo "deny: a crate that is banned was let through" >&2
    exit 1
fi
echo "deny: licences, bans and sources of $(grep -c '^name = ' Cargo.lock) crates are as deny.toml says"

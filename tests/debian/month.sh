#!/usr/bin/env bash
# A month of payments and reorganisations, closed by `report` and `reconcile`, in a minute or two of this machine's time.
# debian: postgresql-15 faketime
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
library=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)
# Only the clock on the wall: what waits for a while waits as long as ever.
clock=(LD_PRELOAD="$library" FAKETIME_TIMESTAMP_FILE="$folder/clock" FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1)
echo +0 >"$folder/clock"

# PostgreSQL is started with a clean environment; these are its programs by that clock.
export DEPOSIT_WATCHER_POSTGRES_BIN=$folder/bin
mkdir "$folder/bin"
for program in initdb postgres; do
    printf '#!/bin/sh\nexec env %s /usr/lib/postgresql/15/bin/%s "$@"\n' "${clock[*]}" "$program" >"$folder/bin/$program"
done
chmod -R a+rX "$folder"
chmod a+x "$folder"/bin/*

cargo test --quiet --locked --test e2e --no-run
runner=$(printf '"%s", ' env "${clock[@]}")
said=$(cargo test --quiet --locked --test e2e --config "target.'cfg(all())'.runner = [${runner%, }]" -- --ignored --nocapture month) || failed=$?
echo "$said"
[ "${failed:-0}" -eq 0 ]
grep -q '^test result: ok. 1 passed' <<<"$said"

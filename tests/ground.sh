#!/usr/bin/env bash
# To be sourced from the repository's top: a PostgreSQL of a script's own.
#
#   ground_up FOLDER [--migrate]    starts it, with its files in an empty folder, and exports DATABASE_URL
#   ground_down                     ends it; for the script's EXIT trap
#
# Descriptor 3 keeps it: children that live on must close theirs (3>&-).

ground_up() {
    local folder=$1 ground
    shift
    cargo build --locked --quiet --manifest-path tests/tools/ground/Cargo.toml --target-dir target/ground
    mkfifo "$folder/stdin"
    : >"$folder/ground"
    target/ground/debug/ground --no-anvil "$@" <"$folder/stdin" >"$folder/ground" &
    ground=$!
    exec 3>"$folder/stdin"
    until grep -q '^# ready' "$folder/ground"; do
        kill -0 "$ground" 2>/dev/null || { echo "${0##*/}: no PostgreSQL" >&2; exit 1; }
        sleep 0.1
    done
    eval "$(grep '^export' "$folder/ground")"
}

ground_down() {
    exec 3>&-
    wait
}

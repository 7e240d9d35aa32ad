#!/usr/bin/env bash
# Plants each bug of tests/planted/bugs in a copy of the committed tree and expects the suite to see it: first the storm,
# for as many seeds as it takes (PLANTED_SEEDS at most), then the tests that the bug's file names.
#
#   tests/planted/run.sh                     all of them, some minutes each
#   tests/planted/run.sh any-token-pays …    these
#
# Prints who caught what, and after how many seeds on average. Fails when a bug is not caught, or does not fit any more.
set -euo pipefail
cd "$(dirname "$0")/../.."
top=$PWD
seeds=${PLANTED_SEEDS:-200}
work=$top/target/planted
tree=$work/tree

say() { printf '%-36s %s\n' "$1" "$2"; }

rm -rf "$tree"
mkdir -p "$tree" "$work/logs"
# shellcheck source=tests/ground.sh
. tests/ground.sh
ground=$(mktemp -d)
trap 'ground_down; rm -rf "$ground"' EXIT
# A bug in SQL is compiled against it: .sqlx knows only what is committed.
ground_up "$ground" --migrate

git archive HEAD | tar -x -C "$tree"
ln -sfn "$top/tests/tools/node_modules" "$tree/tests/tools/node_modules"
export SQLX_OFFLINE=false CARGO_TARGET_DIR="$work/build" RUST_BACKTRACE=0

# Runs tests of the copy and leaves what they said in a file; a copy that does not compile is no test.
tested() {
    local log=$1
    shift
    (cd "$tree" && cargo test --locked --quiet --no-run "$1" ${2:+"$2"}) >"$log" 2>&1 3>&- || return 2
    (cd "$tree" && cargo test --locked --quiet "$@") >"$log" 2>&1 3>&- || return 1
}

# How many seeds it took the storm: they are numbered from 1.
first_seed() { grep -oE '^seed [0-9]+' "$1" | grep -oE '[0-9]+' | sort -n | head -1; }

plant() {
    local patch=$1 name log tests outcome=0
    name=$(basename "$patch" .patch)
    log=$work/logs/$name
    git -C "$tree" apply "$patch" 2>"$log" || { say "$name" "does not fit any more"; return 1; }
    STORM_SEEDS=$seeds tested "$log.storm" --test storm storm::the_storm || outcome=$?
    if [ "$outcome" -eq 1 ] && [ -n "$(first_seed "$log.storm")" ]; then
        taken+=("$(first_seed "$log.storm")")
        say "$name" "the storm, seed $(first_seed "$log.storm")"
    elif [ "$outcome" -eq 2 ]; then
        say "$name" "does not compile"
        return 1
    else
        read -ra tests <<<"$(sed -n 's/^Tests: //p' "$patch")"
        outcome=0
        tested "$log.tests" "${tests[@]}" || outcome=$?
        [ "$outcome" -eq 1 ] || { say "$name" "NOT CAUGHT"; return 1; }
        say "$name" "${tests[*]}"
    fi
}

git -C "$tree" init -q
bugs=()
for name in "$@"; do bugs+=("tests/planted/bugs/$name.patch"); done
[ $# -gt 0 ] || bugs=(tests/planted/bugs/*.patch)
caught=0 missed=0 taken=()
for bug in "${bugs[@]}"; do
    if plant "$top/$bug"; then caught=$((caught + 1)); else missed=$((missed + 1)); fi
    git -C "$tree" apply -R "$top/$bug" 2>/dev/null || true
done
mean=$(printf '%s\n' "${taken[@]:-0}" | awk '{ sum += $1 } END { printf "%.1f", sum / NR }')
echo "planted: $caught of ${#bugs[@]} caught, ${#taken[@]} of them by the storm, after $mean seeds on average"
[ "$missed" -eq 0 ]

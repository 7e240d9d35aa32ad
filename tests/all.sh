#!/usr/bin/env bash
# What `make test-all` adds to `make test`: every script in tests/debian/, each with the Debian and PyPI packages that
# its head names, installed where missing:
#
#   # debian: prometheus shellcheck
#   # pypi: some-package==1.2.3
#
# A script runs from the repository's top and fails by its exit code. Nothing is skipped: what cannot be installed fails.
set -euo pipefail
cd "$(dirname "$0")/.."

named() { sed -n "s/^# $1: //p" "$2"; }

install_debian() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

install_pypi() {
    [ $# -gt 0 ] || return 0
    [ -d target/test-all ] || python3 -m venv target/test-all
    target/test-all/bin/pip install --quiet "$@"
}

ran=0
for script in tests/debian/*.sh; do
    echo "== $script"
    read -ra debian <<<"$(named debian "$script" | tr '\n' ' ')"
    read -ra pypi <<<"$(named pypi "$script" | tr '\n' ' ')"
    install_debian ${debian[@]+"${debian[@]}"}
    install_pypi ${pypi[@]+"${pypi[@]}"}
    PATH="$PWD/target/test-all/bin:$PATH" bash "$script"
    ran=$((ran + 1))
done
echo "test-all: $ran scripts ran"

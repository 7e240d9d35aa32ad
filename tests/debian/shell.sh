#!/usr/bin/env bash
# shellcheck finds nothing in any shell script of ours, the guard included.
# debian: shellcheck
set -euo pipefail
git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
shellcheck --shell=sh src/demo/guard.sh
echo "shellcheck: nothing found"

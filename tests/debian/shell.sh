#!/usr/bin/env bash
# No shell script of ours, the guard included, has anything that shellcheck finds.
# debian: shellcheck
set -euo pipefail
git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck
echo "shellcheck: nothing found"

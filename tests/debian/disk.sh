#!/usr/bin/env bash
# A database on a file system with no room left: a tmpfs of 64 MB, which takes root to mount.
# debian: mount
set -euo pipefail
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
disk=$(mktemp -d /tmp/deposit-watcher-disk-XXXXXX)
trap '"${as_root[@]}" umount "$disk"; rmdir "$disk"' EXIT
# Anybody may write there: the server runs as another user than root.
"${as_root[@]}" mount -t tmpfs -o size=64m,mode=1777 tmpfs "$disk"
mkdir "$disk/data"
chmod 777 "$disk/data"
if [ "$(id -u)" -eq 0 ]; then
    for name in postgres _postgres nobody; do
        ! id "$name" >/dev/null 2>&1 || { chown "$name" "$disk/data"; break; }
    done
fi
said=$(DEPOSIT_WATCHER_SMALL_DISK=$disk/data cargo test --quiet --locked --test e2e -- --ignored --nocapture full_disk)
echo "$said"
grep -q '^test result: ok. 1 passed' <<<"$said"

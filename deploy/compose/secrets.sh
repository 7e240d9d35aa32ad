#!/usr/bin/env bash
# Draws what compose.yaml reads from secrets/, where it is missing; nothing that is there is touched. Keep the folder as you
# keep the database's backups, but not beside them: without the sealing key no webhook secret can be read again.
#
#   deploy/compose/secrets.sh [FOLDER]
set -euo pipefail
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
# Containers read a mounted file as users of their own, so the files are open and their folder is not.
chmod 0700 "$folder"

draw() {
    [ ! -e "$folder/$1" ] || return 0
    (set -o noclobber && printf '%s\n' "$2" >"$folder/$1")
    chmod 0444 "$folder/$1"
    echo "drew $folder/$1"
}

draw database_password "$(openssl rand -hex 24)"
draw database_url "postgres://deposit_watcher:$(cat "$folder/database_password")@postgres:5432/deposit_watcher"
draw sealing_key "$(openssl rand -hex 32)"
draw grafana_password "$(openssl rand -hex 12)"

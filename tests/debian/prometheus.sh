#!/usr/bin/env bash
# debian: prometheus prometheus-alertmanager
# What deploy/prometheus and deploy/grafana say, held against Debian's Prometheus and Alertmanager: the rules are sound and
# their tests pass, alerts are routed by severity, and, scraping a real process on a real chain, every rule and every
# panel gives data and alerts come and go.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PATH:/usr/sbin:/sbin"
rules=deploy/prometheus/rules/deposit-watcher.yml
routes=deploy/prometheus/alertmanager.yml

fail() {
    echo "prometheus: $*" >&2
    exit 1
}

promtool check rules "$rules"
promtool test rules deploy/prometheus/tests/*.yml

amtool check-config "$routes"
while read -r labels receiver; do
    # shellcheck disable=SC2086
    routed=$(amtool config routes test --config.file "$routes" ${labels//,/ } 2>/dev/null)
    [ "$routed" = "$receiver" ] || fail "$labels goes to $routed, not to $receiver"
done <<'TABLE'
severity=critical pager
severity=warning office
severity=info log
severity=none,alertname=DepositWatcherWatchdog dead-mans-switch
TABLE

# A filter that finds nothing passes, too.
said=$(RUST_BACKTRACE=0 timeout 600 cargo test --quiet --locked --test e2e -- --ignored prometheus) || fail "$said"
grep -q '^test result: ok. [1-9]' <<<"$said" || fail "$said"
echo "$said"

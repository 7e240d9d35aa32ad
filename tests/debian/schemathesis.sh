#!/usr/bin/env bash
# schemathesis tries every route of the real server by its own description: with a business's token, with real ids among
# strange ones, with bodies good and bad. A server error, or an answer that /openapi.json does not tell of, fails.
#
#   SCHEMATHESIS_SEED=17 tests/debian/schemathesis.sh     another seed than the usual one
#
# debian: curl postgresql-client python3 python3-venv
# pypi: schemathesis==4.32.5
set -euo pipefail
seed=${SCHEMATHESIS_SEED:-1}
# shellcheck source=tests/ground.sh
. tests/ground.sh
work=$(mktemp -d)
server=
end() {
    [ -z "$server" ] || { kill "$server" && wait "$server"; } 2>/dev/null || true
    ground_down
    rm -rf "$work"
}
trap end EXIT

cargo build --locked --quiet
ground_up "$work"

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
at=127.0.0.1:$(port)
cat >"$work/networks.toml" <<END
[http]
listen = "$at"
[admin]
api_listen = "127.0.0.1:$(port)"
[limits]
requests_per_address = 1000000
requests_per_credential = 1000000
failures_per_address = 1000000
[networks.polygon]
chain_id = 137
finality = "finalized"
rpc.one.url = "http://127.0.0.1:1"
tokens.usdc = { symbol = "USDC", address = "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", decimals = 6 }
END
DEPOSIT_WATCHER__API__SEALING_KEY=$(printf '%064d' 7)
export DEPOSIT_WATCHER__API__SEALING_KEY
watcher() { target/debug/deposit-watcher --config "$work/networks.toml" "$@"; }
made() { watcher "$@" --output json; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

watcher migrate 2>/dev/null
# As if a watcher had followed the token.
psql -qX "$DATABASE_URL" <<END
INSERT INTO networks (slug, chain_id, testnet) VALUES ('polygon', 137, false);
INSERT INTO tokens (network, key, address, symbol, decimals, followed)
VALUES ('polygon', 'usdc', '0x3c499c542cef5e3811e1192ce70d8cc03d5c3359', 'USDC', 6, true);
END
made businesses create shop --name shop >/dev/null
bound=$(made widgets create --business shop --name payments --address 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 | field id)
made api-keys create --business shop --name schemathesis --widget "$bound" >"$work/key"
widget=$(made widgets create --business shop --name checkout | field id)

# Not by the function: what ends then is a shell, and its server stays.
target/debug/deposit-watcher --config "$work/networks.toml" api 2>"$work/log" 3>&- &
server=$!
until curl --silent --fail --output "$work/openapi.json" "http://$at/openapi.json"; do
    kill -0 "$server" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
done
token=$(python3 - "$work/key" <<'END'
import base64, hmac, json, sys, time
key = json.load(open(sys.argv[1]))
part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
head = part(json.dumps({"alg": "HS256", "kid": key["id"]}).encode())
text = head + "." + part(json.dumps({"exp": int(time.time()) + 3600}).encode())
print(text + "." + part(hmac.digest(key["secret"].encode(), text.encode(), "sha256")))
END
)
ask() { curl --silent --fail-with-body --header "Authorization: Bearer $token" --header 'Content-Type: application/json' "$@"; }
session() {
    ask "http://$at/api/v1/widgets/$widget/create-session" --data '{"amount": "1", "currency": "USDC", "network": "polygon",
        "currencyAddress": "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", "depositAddress": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}' | field id
}
open=$(session)
over=$(session)
ask --request POST "http://$at/api/v1/widgets/deposit-sessions/$over/cancel-session" >/dev/null
endpoint=$(ask "http://$at/api/v1/businesses/shop/webhook-endpoints" --data '{"url": "https://shop.example.com/hooks"}' | field id)
payment=6f2f3c1e-53f4-4d0c-9a35-2f7d3a8b9c10
ask "http://$at/v1/widget/sessions" --data "{\"depositId\": \"$payment\", \"returnUrl\": \"https://shop.example.com/\"}" >/dev/null

# Of an open session's stream there is no end: the stream is tried with one that is over.
cat >"$work/schemathesis.toml" <<END
headers = { Authorization = "Bearer $token" }
request-timeout = 10
warnings = false
[dictionaries]
businesses = { values = ["shop"] }
widgets = { values = ["$widget"] }
sessions = { values = ["$open", "$over"] }
finished = { values = ["$over"] }
endpoints = { values = ["$endpoint"] }
payments = { values = ["$payment"] }
[parameters]
businessId = { dictionary = "businesses", probability = 0.7 }
widgetId = { dictionary = "widgets", probability = 0.7 }
sessionId = { dictionary = "sessions", probability = 0.7 }
endpointId = { dictionary = "endpoints", probability = 0.7 }
depositId = { dictionary = "payments", probability = 0.7 }
[cache]
enabled = false
[generation]
database = "none"
[[operations]]
include-path-regex = "/events$"
parameters = { sessionId = { dictionary = "finished", probability = 0.7 } }
END
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks+=,response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth
schemathesis --config-file "$work/schemathesis.toml" run "http://$at/openapi.json" --no-color --seed "$seed" \
    --checks "$checks" --phases examples,coverage,fuzzing,stateful --max-examples 30 --max-time 90 --continue-on-failure
if grep -E '"level":"ERROR"|panicked' "$work/log"; then
    echo "schemathesis: the server complained" >&2
    exit 1
fi

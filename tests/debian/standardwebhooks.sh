#!/usr/bin/env bash
# The Standard Webhooks library for Python takes a delivery that we sent, and refuses it once it is bent.
# debian: python3-venv
# pypi: standardwebhooks==1.1.0
set -euo pipefail
sent=$(mktemp)
trap 'rm -f "$sent"' EXIT
DEPOSIT_WATCHER_WEBHOOK_OUT=$sent cargo test --quiet --locked --test webhooks the_library_for_node_takes_what_we_send
python3 - "$sent" <<'PYTHON'
import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

with open(sys.argv[1], encoding="utf-8") as file:
    sent = json.load(file)
webhook, headers, body = Webhook(sent["secret"]), sent["headers"], sent["body"]
assert webhook.verify(body, headers)["type"] == "deposit.created"
for bent_body, bent_headers in [
    (body + " ", headers),
    (body, {**headers, "webhook-id": "evt_other"}),
    (body, {**headers, "webhook-timestamp": str(int(headers["webhook-timestamp"]) - 1)}),
]:
    try:
        webhook.verify(bent_body, bent_headers)
    except WebhookVerificationError:
        continue
    sys.exit("a bent delivery was taken")
print("standardwebhooks: taken, and refused once bent")
PYTHON

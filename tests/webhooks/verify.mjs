// Reads {secret, headers, body} and lets the standardwebhooks library judge it, as it came and bent.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const require = createRequire(new URL("../tools/node_modules/", import.meta.url));
const { Webhook } = require("standardwebhooks");

const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
const webhook = new Webhook(secret);
if (webhook.verify(body, headers).type !== "deposit.created") throw new Error("not the event that was sent");

const refused = (bentBody, bentHeaders) => {
  try {
    webhook.verify(bentBody, bentHeaders);
  } catch {
    return;
  }
  throw new Error("a bent delivery was taken");
};
refused(body + " ", headers);
refused(body, { ...headers, "webhook-id": "evt_other" });
refused(body, { ...headers, "webhook-timestamp": String(Number(headers["webhook-timestamp"]) - 1) });
console.log("taken, and refused once bent");

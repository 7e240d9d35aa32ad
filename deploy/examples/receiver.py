"""Receives webhooks. Python 3.9 or newer, nothing else:  WEBHOOK_SECRET=whsec_… PORT=8090 python3 receiver.py"""
import base64, hashlib, hmac, json, os, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
# In earnest both are tables, written in the transaction that does the work.
handled, newest, lock = set(), {}, threading.Lock()


def genuine(headers, body):
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (id and at.isascii() and at.isdigit() and len(at) < 13 and abs(time.time() - int(at)) <= 300):
        return False
    ours = base64.b64encode(hmac.digest(KEY, f"{id}.{at}.".encode() + body, hashlib.sha256))
    theirs = headers.get("webhook-signature", "").encode("latin-1", "replace").split(b" ")
    return any(hmac.compare_digest(b"v1," + ours, one) for one in theirs)


def receive(headers, body):
    if not genuine(headers, body):
        return 400
    event = json.loads(body)
    session, sequence = event["data"]["sessionId"], event["sequence"]
    with lock:
        if headers["webhook-id"] in handled:
            return 204
        if session is None or sequence > newest.get(session, 0):
            print(event["type"], session or "-", event["data"].get("status") or "-", sequence, flush=True)  # here the work is done
            newest[session] = sequence
        handled.add(headers["webhook-id"])
    return 204


class Receiver(BaseHTTPRequestHandler):
    timeout = 10

    def do_POST(self):
        size = int(self.headers.get("content-length", 0))
        self.send_response(413 if size > 1 << 20 else receive(self.headers, self.rfile.read(size)))
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 8090))), Receiver).serve_forever()

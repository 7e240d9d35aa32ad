// Receives webhooks. Node.js 20 or newer, nothing else:  WEBHOOK_SECRET=whsec_… PORT=8090 node receiver.mjs
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

const key = Buffer.from(process.env.WEBHOOK_SECRET.replace(/^whsec_/, ''), 'base64');
// In earnest both are tables, written in the transaction that does the work.
const handled = new Set(); // webhook-id
const newest = new Map(); // session -> the sequence of what we know of it

function genuine(headers, body) {
  const [id, at] = [headers['webhook-id'], headers['webhook-timestamp']];
  if (!id || !/^\d{1,12}$/.test(at ?? '') || Math.abs(Date.now() / 1000 - Number(at)) > 300) return false;
  const ours = createHmac('sha256', key).update(`${id}.${at}.`).update(body).digest();
  const theirs = (headers['webhook-signature'] ?? '').split(' ').filter((one) => one.startsWith('v1,'));
  return theirs.map((one) => Buffer.from(one.slice(3), 'base64')).some((one) => one.length === 32 && timingSafeEqual(one, ours));
}

function receive(headers, body) {
  if (!genuine(headers, body)) return 400;
  if (handled.has(headers['webhook-id'])) return 204;
  const { type, sequence, data } = JSON.parse(body);
  if (data.sessionId === null || sequence > (newest.get(data.sessionId) ?? 0)) {
    console.log(type, data.sessionId ?? '-', data.status ?? '-', sequence); // here the work is done
    newest.set(data.sessionId, sequence);
  }
  handled.add(headers['webhook-id']);
  return 204;
}

createServer(async (request, response) => {
  const chunks = [];
  let size = 0;
  try {
    for await (const chunk of request) if ((size += chunk.length) <= 1 << 20) chunks.push(chunk);
    const known = request.method === 'POST' && size <= 1 << 20;
    response.writeHead(known ? receive(request.headers, Buffer.concat(chunks)) : 400).end();
  } catch {
    response.destroy(); // it will come again
  }
}).listen(Number(process.env.PORT ?? 8090), '127.0.0.1');

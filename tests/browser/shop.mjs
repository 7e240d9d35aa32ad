// The merchant: asks for payments as a server does, and is where customers come back to, on another origin.
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { ask } from './stage.mjs';

const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A bearer token as an integrator mints it. */
function minted({ key, secret }) {
    const text = `${part({ alg: 'HS256', typ: 'JWT', kid: key })}.${part({ exp: Math.floor(Date.now() / 1000) + 600 })}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export class Shop {
    /** What browsers asked of it: path and headers. */
    visits = [];
    /** Where payments are asked for and their pages are; known once there is a till. */
    api = null;

    /** Listens on a free port. */
    static async open() {
        const shop = new Shop();
        const server = createServer((request, response) => {
            if (request.url !== '/favicon.ico') shop.visits.push({ url: request.url, headers: request.headers });
            const framed = new URL(request.url, shop.origin).searchParams.get('frame');
            const inside = framed ? `<iframe title="Payment" src="${encodeURI(framed)}"></iframe>` : '';
            response.setHeader('content-type', 'text/html; charset=utf-8');
            response.end(`<!doctype html><html lang="en"><title>Shop</title><h1>Back at the shop</h1>${inside}</html>`);
        });
        await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
        server.unref();
        shop.origin = `http://127.0.0.1:${server.address().port}`;
        return shop;
    }

    /** A till: a business of its own, whose payments go to an address of their own. */
    async till(terms = {}) {
        const granted = await ask('shop', terms);
        this.api = granted.api;
        return new Till(this, granted);
    }

    /** A payment of 25 USDC in a till of its own, where nothing is left to choose; `fields` may say otherwise. */
    async payment(fields = {}, terms = {}) {
        const till = await this.till({ currency: 'USDC', ...terms });
        return till.payment({ amount: '25', ...fields });
    }
}

class Till {
    constructor(shop, granted) {
        Object.assign(this, granted, { shop });
    }

    /** Asks for a payment; status and JSON as they come. */
    async ask(fields) {
        const response = await fetch(`${this.api}/v1/widget/sessions`, {
            method: 'POST',
            headers: { authorization: `Bearer ${minted(this)}`, 'content-type': 'application/json' },
            body: JSON.stringify(fields),
        });
        return { status: response.status, body: await response.json() };
    }

    /** A payment that is accepted. */
    async payment(fields = {}) {
        const depositId = randomUUID();
        const returnUrl = `${this.shop.origin}/back?order=7`;
        const { status, body } = await this.ask({ depositId, returnUrl, reason: 'Order 7', ...fields });
        if (status !== 200) throw new Error(`POST /v1/widget/sessions: ${status} ${JSON.stringify(body)}`);
        return new Payment(this, depositId, body.redirectUrl);
    }
}

class Payment {
    constructor(till, depositId, url) {
        Object.assign(this, { till, depositId, url });
    }

    /** Pays on the chain, in whole tokens such as `12.5`. */
    async pay(amount, symbol = 'USDC') {
        const { decimals } = this.till.tokens[symbol];
        return ask('pay', { to: this.till.address, units: units(amount, decimals), symbol });
    }

    /** What an EIP-681 link to pay so much says. */
    link(amount, symbol = 'USDC') {
        const { address, decimals } = this.till.tokens[symbol];
        const query = `address=${this.till.address}&uint256=${units(amount, decimals)}`;
        return `ethereum:${address}@${this.till.chainId}/transfer?${query}`;
    }

    /** What the merchant is told of it. */
    async told() {
        const response = await fetch(`${this.till.api}/v1/deposits/${this.depositId}`, {
            headers: { authorization: `Bearer ${minted(this.till)}` },
        });
        return (await response.json())[0];
    }
}

/** Base units of a decimal text, as one. */
export function units(amount, decimals) {
    const [whole, rest = ''] = amount.split('.');
    return BigInt(whole + rest.padEnd(decimals, '0')).toString();
}

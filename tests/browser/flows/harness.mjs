// The harness itself, on pages with known faults: each must be seen, and a page without any must pass.
import { createServer } from 'node:http';

import { accessible, code, tooWide } from '../look.mjs';
import { units } from '../shop.mjs';

const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'";
const GOOD = '<header><h1>Pay</h1></header><main><p>Text</p></main>';

/** "HELLO 25" as a QR code, each row's modules as the bits of a number; made by the npm package `qrcode` 1.5.4. */
const HELLO = `1fc07f 104141 17595d 175f5d 17535d 105141 1fd57f 1f00 17c17c 1f292f efe99 1830 1fda94 17eb 1fcd6c 1053e4
    17593e 175d1c 175a98 104435 1fdea4`.split(/\s+/);

function hello() {
    const row = (hex, y) => [...Number.parseInt(hex, 16).toString(2).padStart(HELLO.length, '0')]
        .map((bit, x) => (bit === '1' ? `M${x} ${y}h1v1h-1z` : '')).join('');
    return `<svg width="210" height="210" viewBox="0 0 21 21"><path d="${HELLO.map(row).join('')}"/></svg>`;
}

/** Serves one body under the page's kind of policy; its address. */
async function serving(body, headers = { 'content-security-policy': POLICY }) {
    const server = createServer((request, response) => {
        if (request.url !== '/') return response.writeHead(404).end();
        response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers });
        response.end(`<!doctype html><html lang="en"><head><title>T</title>
            <meta name="viewport" content="width=device-width"></head><body>${body}</body></html>`);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.unref();
    return `http://127.0.0.1:${server.address().port}/`;
}

/** What the guard says of a page with this body. */
async function said(t, body, headers) {
    const found = [];
    const customer = await t.customer();
    customer.scenario = { shop: t.shop, fault: (text) => found.push(text) };
    const page = await customer.open(await serving(body, headers));
    await page.waitForLoadState('networkidle');
    return { found, page };
}

async function mustSay(t, body, pattern, headers) {
    const { found } = await said(t, body, headers);
    t.check(found.some((text) => pattern.test(text)), `${body} is not found: ${JSON.stringify(found)}`);
}

export default {
    async 'nothing is found where nothing is'(t) {
        const { found, page } = await said(t, GOOD);
        t.same([found, await tooWide(page), await accessible(page)], [[], [], []], 'what is found');
    },

    async 'a breach of the policy is found'(t) {
        await mustSay(t, '<script>1</script>', /Content Security Policy/);
        await mustSay(t, '<p style="color:red">x</p>', /Content Security Policy/);
        await mustSay(t, '<img alt="" src="http://127.0.0.1:9/x.png">', /Content Security Policy|it asks/);
    },

    async 'an error and a stranger are found'(t) {
        await mustSay(t, '<script>console.error("planted")</script>', /planted/, {});
        await mustSay(t, '<script>throw new Error("planted")</script>', /a script threw.*planted/, {});
        await mustSay(t, '<script>fetch("http://127.0.0.1:9/").catch(() => {})</script>', /it asks http:\/\/127.0.0.1:9/, {});
        await mustSay(t, '<script src="/missing.js"></script>', /404/, {});
    },

    async 'what axe knows and what is too wide is found'(t) {
        const { page } = await said(t, `${GOOD}<main><img src="x"><p style="color:#bbb">pale</p></main>`, {});
        const found = (await accessible(page)).join();
        for (const rule of ['image-alt', 'color-contrast', 'landmark-no-duplicate-main']) {
            t.check(found.includes(`axe ${rule}:`), `${rule} is not found: ${found}`);
        }
        const { page: wide } = await said(t, '<main style="width:3000px">wide</main>', {});
        t.check((await tooWide(wide)).join().includes('3000'), 'what is too wide is not found');
    },

    async 'a code is read from a picture'(t) {
        const { page } = await said(t, `${GOOD}${hello()}`, {});
        t.same(await code(page, page.locator('svg')), 'HELLO 25', 'the code');
        t.same(await code(page, page.locator('h1')), null, 'a code where there is none');
        t.same([units('12.5', 6), units('0.01', 18), units('7', 0)], ['12500000', '10000000000000000', '7'], 'units');
    },
};

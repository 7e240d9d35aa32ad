// What a stranger, a merchant or a wrong link can do to a page, and what the page weighs.
import { Sheet } from '../sheet.mjs';
import { ask } from '../stage.mjs';
import { brought } from '../states.mjs';

const HEADERS = {
    'cache-control': /no-store/,
    'content-security-policy': /^(?!.*unsafe)default-src 'none';.* script-src 'self';.* frame-ancestors 'none'$/,
    'referrer-policy': /^no-referrer$/,
    'x-content-type-options': /^nosniff$/,
};
const MOST_BYTES = 60_000;

/** A stream has no end, and no weight. */
const isStream = (response) => new URL(response.url()).pathname.endsWith('/events');

const HOSTILE = {
    'a tag': '<b id="planted">bold</b>',
    'a script': '<script>window.planted = 1</script>',
    'an image': '<img src=x onerror="window.planted=1">',
    'an attribute': '" autofocus onfocus="window.planted=1',
    'a template': '{{ 7 * 7 }} {% raw %} ${7*7}',
    'right to left': 'abc\u202e321 txt.exe',
    'isolates': 'x\u2067y\u2066z',
    'emoji': '👩‍👩‍👧‍👦 🏳️‍🌈 ok',
    'a fluent placeable': '{ $amount } { "x" }',
    'a null': 'a\u0000b',
    'line ends': 'a\r\nSet-Cookie: b=c',
    'zero width': 'pay\u200bpal\ufeff',
    'ten kilobytes of emoji': '😀'.repeat(2_500),
};

/** Asks for a payment with this in a field; its page if it was accepted. */
async function planted(t, fields) {
    const till = await t.shop.till({ currency: 'USDC' });
    const asked = { depositId: crypto.randomUUID(), returnUrl: `${t.shop.origin}/back`, amount: '25', ...fields };
    const { status, body } = await till.ask(asked);
    if (status === 200) return body.redirectUrl;
    const { errorId, errorCode, errorMessage } = body;
    t.check(status === 400 && errorId && errorCode && errorMessage, `refused by ${status} ${JSON.stringify(body)}`);
    return null;
}

export default {
    async 'hostile text shows as text or is refused'(t) {
        const customer = await t.customer();
        for (const [kind, text] of Object.entries(HOSTILE)) {
            t.at.text = kind;
            for (const fields of [{ reason: text }, { metadata: [{ fieldName: text.slice(0, 20), fieldValue: text }] }]) {
                const url = await planted(t, fields);
                if (!url) continue;
                const page = await customer.open(url);
                const sheet = new Sheet(t, page);
                await sheet.shows('waiting');
                t.same(await page.evaluate(() => [window.planted, !!document.querySelector('#planted')]), [null, false], 'planted');
                const lone = /[\u202a-\u202e\u2066-\u2069\u0000-\u0008]/;
                const shown = await page.locator('body').innerText();
                t.check(!fields.reason || shown.includes(text) || lone.test(text), 'the reason is not shown as it is');
                t.check(!lone.test(shown), 'a mark that turns the text around is on the page');
                t.check(await page.locator('main').isVisible(), 'the page is gone');
                await page.close();
            }
        }
    },

    async 'what is private is on no page'(t) {
        const secret = 'private-7f3a';
        const url = await planted(t, {
            msisdn: '33612345678', country: 'FRA',
            metadata: [{ fieldName: 'note', fieldValue: secret, isPII: true }, { fieldName: 'table', fieldValue: 'twelve' }],
        });
        const customer = await t.customer();
        const page = await customer.open(url);
        const html = await page.content();
        for (const text of [secret, '33612345678', '612345678']) t.check(!html.includes(text), `${text} is on the page`);
    },

    async 'a wrong link, a dead link'(t) {
        const customer = await t.customer();
        customer.expects = /Failed to load resource.*(404|410)/;
        const payment = await t.shop.payment();
        for (const [url, status, name] of [
            [`${payment.till.api}/pay/AAAAAAAAAAAAAAAAAAAAAA`, 404, 'unknown'],
            [`${payment.till.api}/pay/x`, 404, 'wrong'],
            [payment.url, 410, 'dead'],
        ]) {
            if (status === 410) await ask('kill link', { depositId: payment.depositId });
            for (const language of ['en', 'fr']) {
                t.at = { link: name, language };
                const page = await customer.open(`${url}?lang=${language}`);
                t.same(page.answer.status(), status, 'the status');
                t.same(await page.locator('html').getAttribute('lang'), language, 'the language of the page');
                t.check((await page.locator('h1').count()) === 1, 'the page has no heading');
                await customer.look(page, `${name}-light-${language}`);
                await page.emulateMedia({ colorScheme: 'dark' });
                await customer.look(page, `${name}-dark-${language}`);
                await page.close();
            }
        }
    },

    async 'light, quick and cached'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer();
        const sizes = [];
        const counting = (page) => page.on('response', (response) => sizes.push(response));
        customer.context.on('page', counting);
        const page = await customer.open(payment.url);
        await new Sheet(t, page).shows('waiting');
        const ordinary = sizes.filter((response) => !isStream(response));
        const bytes = await Promise.all(ordinary.map(async (response) => (await response.body()).length));
        const list = ordinary.map((response, index) => `${new URL(response.url()).pathname.slice(0, 20)} ${bytes[index]}`);
        const sum = bytes.reduce((left, right) => left + right, 0);
        t.note(`the page weighs ${sum} bytes (at most ${MOST_BYTES}): ${list.join(', ')}`);
        t.check(sum <= MOST_BYTES, `the page weighs ${sum} bytes`);
        const urls = ordinary.map((response) => response.url());
        t.same(urls.length, new Set(urls).size, 'requests for as many assets');
        const headers = await ordinary[0].allHeaders();
        for (const [name, pattern] of Object.entries(HEADERS)) t.check(pattern.test(headers[name] ?? ''), `${name}: ${headers[name]}`);
        for (const asset of ordinary.slice(1)) {
            const { 'cache-control': cache } = await asset.allHeaders();
            t.check(/immutable/.test(cache ?? ''), `${asset.url()} is sent with cache-control: ${cache}`);
        }
        const sent = (page) => page.evaluate(() => performance.getEntriesByType('resource')
            .filter(({ name }) => name.includes('/pay/assets/')).map(({ name, transferSize }) => [name, transferSize]));
        t.check((await sent(page)).every(([, size]) => size > 0), 'what is sent cannot be seen');
        const again = await customer.open(payment.url);
        await new Sheet(t, again).shows('waiting');
        const assets = await sent(again);
        t.check(assets.length >= 2, 'the second page has no assets');
        for (const [name, size] of assets) t.same(size, 0, `the bytes of ${name} that are sent again`);
    },

    async 'a page of another origin cannot frame it'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer();
        customer.expects = /frame-ancestors|X-Frame-Options|Refused to (frame|display)/;
        const page = await customer.open(`${t.shop.origin}/?frame=${encodeURIComponent(payment.url)}`);
        await page.waitForTimeout(1_000);
        const inside = page.frames().find((frame) => frame.parentFrame());
        t.check((await inside.locator('main#payment').count()) === 0, 'it shows in a frame of another origin');
    },

    async 'it prints as a receipt'(t) {
        const customer = await t.customer();
        const page = await customer.tab();
        const sheet = new Sheet(t, page);
        const payment = await brought('paid', t.shop, sheet);
        await sheet.stays();
        await page.emulateMedia({ media: 'print' });
        await page.screenshot({ path: `${t.pictures}/print.png`, fullPage: true });
        const read = await page.locator('body').innerText();
        for (const part of ['25', 'USDC', 'Café Lumière', 'Order 7', payment.depositId]) t.check(read.includes(part), `${part} is not printed`);
        t.same(await page.getByRole('button').filter({ visible: true }).count(), 0, 'buttons on paper');
        await page.pdf({ path: `${t.pictures}/print.pdf` });
    },

    async 'the clipboard has the plain value'(t) {
        const payment = await t.shop.payment({ amount: '1234.5' });
        const customer = await t.customer({ language: 'fr' });
        await customer.context.grantPermissions(['clipboard-read', 'clipboard-write']);
        const page = await customer.open(payment.url);
        const sheet = new Sheet(t, page, { language: 'fr' });
        await sheet.shows('waiting');
        for (const [button, value] of [['copy-address', payment.till.address], ['copy-amount', '1234.5']]) {
            await page.evaluate(() => navigator.clipboard.writeText('nothing'));
            await sheet.button(button).click();
            const copied = await page.waitForFunction(() =>
                navigator.clipboard.readText().then((text) => (text === 'nothing' ? null : text)));
            t.same(await copied.jsonValue(), value, `what ${button} copied`);
        }
    },
};

// Everything by keyboard alone, from the link to the return.
import { Sheet } from '../sheet.mjs';
import { ask } from '../stage.mjs';

/** What has the focus: its name and place, and whether one sees that it has it. */
function focused(page) {
    return page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return null;
        const { x, y, width, height } = element.getBoundingClientRect();
        const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element);
        const outlined = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1;
        const name = element.getAttribute('aria-label') ?? element.labels?.[0]?.textContent ?? element.textContent;
        return {
            name: `${element.tagName.toLowerCase()} ${name.trim().replaceAll(/\s+/g, ' ').slice(0, 60)}`,
            seen: outlined || boxShadow !== 'none',
            inside: width > 0 && height > 0,
            place: [Math.round(y + scrollY), Math.round(x)],
            role: element.getAttribute('role') ?? element.tagName.toLowerCase(),
        };
    });
}

/** Walks through the page once; what was met. */
async function walk(t, page) {
    const met = [];
    for (let step = 0; step < 60; step += 1) {
        await page.keyboard.press('Tab');
        const here = await focused(page);
        if (!here) break;
        t.check(here.seen, `one does not see that ${here.name} has the focus`);
        t.check(here.inside, `${here.name} has the focus and no size`);
        met.push(here);
    }
    t.check(met.length < 60, 'the focus does not leave the page');
    return met;
}

/** Tab until this has the focus. */
async function reach(t, page, locator) {
    for (let step = 0; step < 60; step += 1) {
        await page.keyboard.press('Tab');
        if (await locator.evaluate((element) => element === document.activeElement)) return;
    }
    throw new Error(`the keyboard does not reach ${locator}`);
}

export default {
    async 'from the link to the shop'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer();
        await customer.context.grantPermissions(['clipboard-read', 'clipboard-write']);
        const page = await customer.open(payment.url);
        const sheet = new Sheet(t, page);
        await sheet.shows('waiting');
        const met = await walk(t, page);
        t.note(`the order: ${met.map(({ name }) => name).join(' > ')}`);
        for (const [before, after] of met.slice(1).map((after, index) => [met[index], after])) {
            // Reading order: further down, or further right in the same row.
            const onward = after.place[0] > before.place[0] + 20 || after.place[1] > before.place[1];
            t.check(onward, `${before.name} comes before ${after.name} and lies behind it`);
        }
        await page.evaluate(() => document.activeElement?.blur());
        await reach(t, page, sheet.button('copy-address'));
        await page.keyboard.press('Enter');
        const copied = await page.waitForFunction(() => navigator.clipboard.readText().then((text) => text || null));
        t.same(await copied.jsonValue(), payment.till.address, 'what was copied');
        await sheet.tab('code-of-address').focus();
        await page.keyboard.press('ArrowRight');
        t.same(await sheet.tab('code-of-link').isChecked(), true, 'the second tab after an arrow key');
        await page.keyboard.press('ArrowLeft');
        t.same(await sheet.tab('code-of-address').isChecked(), true, 'the first tab after an arrow key');
        await payment.pay('25');
        await ask('mine', { blocks: 2 });
        await sheet.shows('paid');
        await reach(t, page, sheet.link('back-to'));
        await page.keyboard.press('Enter');
        await page.waitForURL(/\/back/);
    },

    async 'choosing and cancelling'(t) {
        const till = await t.shop.till({ min: '5', max: '500' });
        const payment = await till.payment();
        const customer = await t.customer();
        const page = await customer.open(payment.url);
        const sheet = new Sheet(t, page);
        await sheet.shows('choose');
        await walk(t, page);
        await page.evaluate(() => document.activeElement?.blur());
        await reach(t, page, sheet.amount);
        await page.keyboard.type('7.5');
        await page.keyboard.press('Enter');
        await sheet.shows('waiting');
        await reach(t, page, sheet.giveUp);
        await page.keyboard.press('Enter');
        await reach(t, page, sheet.button('cancel-yes'));
        await page.keyboard.press('Enter');
        await sheet.shows('cancelled');
        await reach(t, page, sheet.link('back-to'));
    },

    async 'the focus survives what comes by itself'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer();
        const page = await customer.open(payment.url);
        const sheet = new Sheet(t, page);
        await sheet.shows('waiting');
        await sheet.button('copy-address').focus();
        await payment.pay('10');
        await sheet.shows('seen');
        await ask('mine', { blocks: 2 });
        await sheet.shows('underpaid');
        t.check(await page.evaluate(() => document.activeElement !== null), 'the focus is nowhere');
        const live = await page.locator('[aria-live=polite], [role=status]').count();
        t.check(live > 0, 'nothing tells a reader of the screen that it changed');
    },
};

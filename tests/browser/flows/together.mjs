// A page that is open while the world goes on: another tab, a reload, a line that is cut, a return that can be stopped.
import { SCREENS, Sheet, words } from '../sheet.mjs';
import { ask } from '../stage.mjs';
import { brought } from '../states.mjs';

/** Two tabs of one customer on one payment. */
async function tabs(t, payment) {
    const customer = await t.customer();
    const pages = [await customer.open(payment.url), await customer.open(payment.url)];
    return pages.map((page) => new Sheet(t, page));
}

export default {
    async 'what is chosen in one tab shows in the other'(t) {
        const till = await t.shop.till();
        const [one, other] = await tabs(t, await till.payment({ amount: '25' }));
        await Promise.all([one.shows('choose'), other.shows('choose')]);
        await one.choose('USDC');
        await one.shows('waiting');
        await other.comesBack('waiting');
    },

    async 'what is being typed stays when one comes back to it'(t) {
        const till = await t.shop.till({ min: '5', max: '500' });
        const [one] = await tabs(t, await till.payment());
        await one.shows('choose');
        await one.amount.fill('7.5');
        const answered = one.page.waitForResponse(() => true);
        await one.page.evaluate(() => dispatchEvent(new Event('focus')));
        await (await answered).finished();
        await one.page.waitForTimeout(200);
        t.same(await one.amount.inputValue(), '7.5', 'what was typed');
    },

    async 'a choice that came too late is told what was chosen'(t) {
        const till = await t.shop.till();
        const payment = await till.payment({ amount: '25' });
        const slow = await t.customer({ javascript: false });
        const late = new Sheet(t, await slow.open(payment.url), { javascript: false });
        await late.shows('choose');
        const quick = await t.customer();
        const first = new Sheet(t, await quick.open(payment.url));
        await first.choose('DAI');
        await first.shows('waiting');
        await late.choose('USDC');
        t.same(await late.screen(), 'waiting', 'the screen after a choice that came too late');
        t.check((await late.text()).includes('DAI'), 'it does not say what was chosen first');
    },

    async 'what is cancelled in one tab is cancelled in the other'(t) {
        const [one, other] = await tabs(t, await t.shop.payment());
        await Promise.all([one.shows('waiting'), other.shows('waiting')]);
        await one.cancel();
        await other.shows('cancelled');
        t.check(!(await other.text()).includes('0x'), 'an address is left on what is cancelled');
    },

    async 'nobody cancels what was paid meanwhile'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer({ javascript: false });
        const sheet = new Sheet(t, await customer.open(payment.url), { javascript: false });
        await sheet.shows('waiting');
        await payment.pay('25');
        const watching = await t.customer();
        await new Sheet(t, await watching.open(payment.url)).shows('seen');
        await sheet.cancel();
        await sheet.shows('seen');
    },

    async 'a link opened in time works in another browser, and by its session'(t) {
        const payment = await t.shop.payment();
        const first = await t.customer();
        await new Sheet(t, await first.open(payment.url)).shows('waiting');
        await ask('kill link', { depositId: payment.depositId });
        const second = await t.customer({ language: 'fr' });
        await new Sheet(t, await second.open(payment.url)).shows('waiting');
    },

    async 'every screen is the same after a reload'(t) {
        for (const screen of SCREENS) {
            const customer = await t.customer();
            const page = await customer.tab();
            const sheet = new Sheet(t, page);
            await brought(screen, t.shop, sheet);
            await page.reload();
            t.same(await sheet.screen(), screen, 'the screen after a reload');
            await customer.context.close();
        }
    },

    async 'a line that is cut is told of, and the page goes on when it is mended'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer();
        const page = await customer.open(payment.url);
        const sheet = new Sheet(t, page);
        await sheet.shows('waiting');
        customer.expects = /net::ERR|Failed to load resource/;
        await ask('cut');
        await sheet.offline.waitFor();
        t.check((await sheet.text()).includes(payment.till.address), 'the address is gone with the line');
        await payment.pay('25');
        await ask('mend');
        await sheet.shows('seen');
        await sheet.offline.waitFor({ state: 'hidden' });
        await ask('mine', { blocks: 2 });
        await sheet.shows('paid');
    },

    async 'a device that is offline is told so'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer();
        const page = await customer.open(payment.url);
        const sheet = new Sheet(t, page);
        await sheet.shows('waiting');
        customer.expects = /net::ERR|Failed to load resource/;
        await customer.context.setOffline(true);
        await sheet.offline.waitFor();
        await customer.context.setOffline(false);
        await sheet.offline.waitFor({ state: 'hidden' });
    },

    async 'when the time is over no way to pay is left, also where nobody can say so'(t) {
        const payment = await t.shop.payment();
        const customer = await t.customer();
        customer.expects = /net::ERR|Failed to load resource/;
        // The clock on the wall goes on while a device sleeps, the one that the page counts by does not.
        const sleeps = (sheet) => sheet.page.evaluate(() => { const now = Date.now; Date.now = () => now() + 3_600_000; });
        for (const ends of [(sheet) => sheet.runsOut(), sleeps]) {
            const sheet = new Sheet(t, await customer.open(payment.url));
            await sheet.shows('waiting');
            await sheet.ways.waitFor();
            await sheet.button('copy-address').focus();
            await customer.context.setOffline(true);
            await ends(sheet);
            await sheet.ways.waitFor({ state: 'hidden' });
            const read = await sheet.text();
            t.check(!read.includes(payment.till.address), 'an address is left when the time is over');
            t.check(read.includes(words('waiting-over', 'en')), 'it does not say that nothing is to be sent');
            t.same(await sheet.page.evaluate(() => document.activeElement.tagName), 'H1', 'what has the focus');
            // Who knows better says so.
            await customer.context.setOffline(false);
            await sheet.ways.waitFor();
        }
    },

    async 'the return comes by itself'(t) {
        const customer = await t.customer();
        const page = await customer.tab();
        const sheet = new Sheet(t, page);
        const payment = await brought('paid', t.shop, sheet);
        const begun = Date.now();
        t.check(/\b(10|9|8)\b/.test(await sheet.text()), 'no countdown to the return is shown');
        await page.waitForURL(/\/back/);
        const lasted = (Date.now() - begun) / 1_000;
        t.check(lasted > 7 && lasted < 15, `the return came after ${lasted} s`);
        t.check(page.url().endsWith(`/back?order=7&depositId=${payment.depositId}`), `it leads to ${page.url()}`);
    },

    async 'the return can be stopped'(t) {
        const customer = await t.customer();
        const page = await customer.tab();
        const sheet = new Sheet(t, page);
        await brought('paid', t.shop, sheet);
        await sheet.stays();
        await page.waitForTimeout(12_000);
        t.same(await sheet.screen(), 'paid', 'the screen after the return was stopped');
        // Nor does news of the payment start it again.
        await ask('mine', { blocks: 1 });
        await page.waitForTimeout(1_000);
        t.same(await sheet.screen(), 'paid', 'the screen later');
    },
};

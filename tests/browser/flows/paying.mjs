// A payment from the link to the return to the shop, in both languages, with and without JavaScript.
import { LANGUAGES, Sheet } from '../sheet.mjs';
import { ask } from '../stage.mjs';

/** Whole payments: the customer's link, his payment on the chain, his way back. */
async function pays(t, { language, javascript }) {
    const payment = await t.shop.payment();
    const customer = await t.customer({ language, javascript });
    const page = await customer.open(payment.url);
    const sheet = new Sheet(t, page, { javascript, language });
    await sheet.shows('waiting');
    t.same(await page.locator('html').getAttribute('lang'), language, 'the language of the page');
    const read = await sheet.text();
    for (const part of ['25', 'USDC', payment.till.address, 'Order 7']) t.check(read.includes(part), `${part} is not shown`);
    await payment.pay('25');
    await sheet.shows('seen');
    await ask('mine', { blocks: 2 });
    await sheet.shows('paid');
    t.same((await payment.told()).status, 'COMPLETED', 'what the shop is told');
    await sheet.link('back-to').click();
    await page.waitForURL(/\/back/);
    const visit = t.shop.visits.find(({ url }) => url.includes(payment.depositId));
    t.same(visit?.url, `/back?order=7&depositId=${payment.depositId}`, 'where the customer comes back to');
    t.same(visit?.headers.referer, undefined, 'the referrer');
}

/** In what, and how much. */
async function chooses(t, { language, javascript }) {
    const till = await t.shop.till({ min: '5', max: '500' });
    const payment = await till.payment();
    const customer = await t.customer({ language, javascript });
    const page = await customer.open(payment.url);
    const sheet = new Sheet(t, page, { javascript, language });
    await sheet.shows('choose');
    // What is refused is answered as a refusal, which browsers write down.
    customer.expects = /status of 400 .*\/choose\?lang=/;
    await sheet.asksForAnAmount('DAI');
    for (const wrong of ['abc', '0', '4.99', '500.01', '-7', '5.0000000000000000001', '1e2', '<b>7</b>']) {
        await sheet.choose('DAI', wrong);
        await sheet.refuses(wrong);
    }
    customer.expects = null;
    await sheet.choose('DAI', '12.5');
    await sheet.shows('waiting');
    t.check((await sheet.text()).includes('DAI'), 'the token that was chosen is not shown');
    await payment.pay('12.5', 'DAI');
    await sheet.shows('seen');
    await ask('mine', { blocks: 2 });
    await sheet.shows('paid');
    const told = await payment.told();
    t.same([told.status, told.amount, told.currency], ['COMPLETED', '12.5', 'DAI'], 'what the shop is told');
}

const flow = {};
for (const language of LANGUAGES) {
    for (const javascript of [true, false]) {
        const how = `${language}, ${javascript ? 'with' : 'without'} JavaScript`;
        flow[`from the link to the shop, ${how}`] = (t) => pays(t, { language, javascript });
        flow[`choosing token and amount, ${how}`] = (t) => chooses(t, { language, javascript });
    }
}
export default flow;

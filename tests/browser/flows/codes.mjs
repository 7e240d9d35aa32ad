// What the QR codes say, read from pictures of the page in both themes: the bare address first, the link of EIP-681 on
// the second tab, and the rest after a payment that was too small.
import { Sheet, THEMES } from '../sheet.mjs';
import { ask } from '../stage.mjs';
import { code, WIDTHS } from '../look.mjs';

async function reads(t, sheet, expected, name) {
    const path = `${t.pictures}/code-${name}-${t.at.theme}.png`;
    t.same(await code(sheet.page, sheet.code, path), expected, `the ${name} code`);
}

async function codes(t, theme) {
    const payment = await t.shop.payment({ amount: '25.5' });
    const customer = await t.customer({ theme, viewport: WIDTHS.phone });
    const sheet = new Sheet(t, await customer.open(payment.url));
    await sheet.shows('waiting');
    await reads(t, sheet, payment.till.address, 'first');
    await sheet.turn('code-of-link');
    await reads(t, sheet, payment.link('25.5'), 'second');
    await payment.pay('10.25');
    await ask('mine', { blocks: 2 });
    await sheet.shows('underpaid');
    t.check((await sheet.text()).includes('15.25'), 'the rest is not shown');
    await sheet.turn('code-of-address');
    await reads(t, sheet, payment.till.address, 'first');
    await sheet.turn('code-of-link');
    await reads(t, sheet, payment.link('15.25'), 'rest');
    await payment.pay('15.25');
    await ask('mine', { blocks: 2 });
    await sheet.shows('paid');
    t.same(await sheet.code.count(), 0, 'codes on a page that is paid');
    t.check(!(await sheet.text()).includes(payment.till.address), 'a page that is paid still shows where to pay');
}

const flow = {};
for (const theme of THEMES) flow[`codes, ${theme}`] = (t) => codes(t, theme);

/** Both are reached without JavaScript, too. */
flow['codes without JavaScript'] = async (t) => {
    const payment = await t.shop.payment();
    const customer = await t.customer({ javascript: false });
    const sheet = new Sheet(t, await customer.open(payment.url), { javascript: false });
    await sheet.shows('waiting');
    const said = [];
    for (const key of ['code-of-address', 'code-of-link']) {
        await sheet.turn(key);
        said.push(await code(sheet.page, sheet.code));
    }
    t.same(said, [payment.till.address, payment.link('25')], 'what the codes say');
};

export default flow;

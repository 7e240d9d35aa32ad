// Wallets of the browser (EIP-6963): asked once, for what the page asks for at that moment, on the page's network.
import { Sheet, words } from '../sheet.mjs';

const ANVIL = '0x7a69';

/** Puts a wallet into every page of a customer; it writes down what it is asked, and is locked until `window.unlock()`. */
async function wallet(customer, { chain = ANVIL, switches = true, locked = false, declines = false } = {}) {
    await customer.context.addInitScript(({ chain, switches, locked, declines }) => {
        window.asked = [];
        let unlocked = locked ? new Promise((resolve) => { window.unlock = resolve; }) : Promise.resolve();
        const answers = {
            eth_requestAccounts: async () => { await unlocked; return ['0x1111111111111111111111111111111111111111']; },
            eth_chainId: async () => chain,
            wallet_switchEthereumChain: async ([{ chainId }]) => { if (switches) chain = chainId; return null; },
            eth_sendTransaction: async () => {
                if (declines) throw Object.assign(new Error('no'), { code: 4001 });
                return `0x${'1'.repeat(64)}`;
            },
        };
        const provider = { request: ({ method, params }) => { window.asked.push({ method, params }); return answers[method](params); } };
        const info = { uuid: '0b0c', name: 'Purse', icon: 'data:,', rdns: 'example.purse' };
        const announce = () => dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }));
        addEventListener('eip6963:requestProvider', announce);
    }, { chain, switches, locked, declines });
}

/** A waiting page whose browser has a wallet. */
async function purse(t, terms) {
    const customer = await t.customer();
    await wallet(customer, terms);
    const payment = await t.shop.payment();
    const page = await customer.open(payment.url);
    const sheet = new Sheet(t, page);
    await sheet.shows('waiting');
    const press = () => page.getByRole('button', { name: 'Pay with Purse' }).click();
    const says = (key) => page.locator('[data-says]').filter({ hasText: words(key, 'en') }).waitFor();
    const asked = async (method) => (await page.evaluate(() => window.asked)).filter((one) => one.method === method);
    return { customer, payment, page, sheet, press, says, asked };
}

export default {
    async 'a wallet is asked for the transfer that the page asks for, once'(t) {
        const { page, press, says, asked } = await purse(t);
        await press();
        await says('wallet-sent');
        const [{ params: [transaction] }] = await asked('eth_sendTransaction');
        const address = await page.locator('#copy-address').getAttribute('data-copy');
        await page.locator('#more summary').click();
        const token = await page.locator('#more .hash').last().innerText();
        // transfer(address,uint256) of 25 with six decimals, as ERC-20 has it.
        const data = `0xa9059cbb${address.slice(2).toLowerCase().padStart(64, '0')}${(25_000_000).toString(16).padStart(64, '0')}`;
        t.same(transaction.data.toLowerCase(), data, 'the calldata');
        t.same([transaction.to, transaction.value, transaction.chainId], [token, '0x0', ANVIL], 'token, value and chain');
        // It looks as if it could not be pressed; whoever does all the same pays once.
        await page.locator('[data-wallet]').dispatchEvent('click');
        await page.waitForTimeout(300);
        t.same((await asked('eth_sendTransaction')).length, 1, 'transactions after a second press');
    },

    async 'a wallet elsewhere is led to the network of the payment'(t) {
        const { press, says, asked } = await purse(t, { chain: '0x1' });
        await press();
        await says('wallet-sent');
        t.same((await asked('wallet_switchEthereumChain')).map(({ params }) => params), [[{ chainId: ANVIL }]], 'switches');
    },

    async 'a wallet that stays elsewhere sends nothing'(t) {
        const { press, says, asked } = await purse(t, { chain: '0x1', switches: false });
        await press();
        await says('wallet-network');
        t.same(await asked('eth_sendTransaction'), [], 'transactions');
    },

    async 'who declines may press again'(t) {
        const { press, says, asked } = await purse(t, { declines: true });
        await press();
        await says('wallet-declined');
        await press();
        await says('wallet-declined');
        t.same((await asked('eth_sendTransaction')).length, 2, 'transactions');
    },

    async 'a wallet that is unlocked when all is over sends nothing'(t) {
        const { customer, payment, page, sheet, press, asked } = await purse(t, { locked: true });
        await press();
        const other = new Sheet(t, await customer.open(payment.url));
        await other.shows('waiting');
        await other.cancel();
        await sheet.shows('cancelled');
        await page.evaluate(() => window.unlock());
        await page.waitForFunction(() => window.asked.some(({ method }) => method === 'eth_chainId'));
        await page.waitForTimeout(300);
        t.same(await asked('eth_sendTransaction'), [], 'transactions');
    },

    async 'a wallet that is unlocked when the time is over sends nothing, also where nobody can say so'(t) {
        const { customer, page, sheet, press, asked } = await purse(t, { locked: true });
        await press();
        customer.expects = /net::ERR|Failed to load resource/;
        await customer.context.setOffline(true);
        await sheet.runsOut();
        await page.evaluate(() => window.unlock());
        await page.waitForFunction(() => window.asked.some(({ method }) => method === 'eth_chainId'));
        await page.waitForTimeout(300);
        t.same(await asked('eth_sendTransaction'), [], 'transactions');
        await page.locator('[data-wallet]').dispatchEvent('click');
        await page.waitForTimeout(300);
        t.same((await asked('eth_requestAccounts')).length, 1, 'times the wallet was asked, with a press when all was over');
    },
};

// The test tools on the page: every state without a wallet and without a chain at hand.
import { LANGUAGES, Sheet } from '../sheet.mjs';

/** What is pressed, and the screen that it leads to. */
const STORIES = {
    exactly: [['tools-exact', 'seen'], ['tools-mine', 'paid'], ['tools-reorganise', 'reverted']],
    less: [['tools-less', 'seen'], ['tools-mine', 'underpaid'], ['tools-exact', 'seen'], ['tools-mine', 'paid']],
    more: [['tools-more', 'seen'], ['tools-mine', 'overpaid']],
    // The second payment is nobody's: the business settles it.
    twice: [['tools-twice', 'seen'], ['tools-mine', 'paid']],
};

async function told(t, story, { language, javascript }) {
    const payment = await t.shop.payment();
    const customer = await t.customer({ language, javascript });
    const sheet = new Sheet(t, await customer.open(payment.url), { language, javascript });
    await sheet.shows('waiting');
    for (const [deed, screen] of STORIES[story]) {
        await sheet.simulate(deed);
        await sheet.shows(screen);
        await sheet.stays();
    }
}

const flow = {};
for (const story of Object.keys(STORIES)) {
    for (const javascript of [true, false]) {
        const language = LANGUAGES[javascript ? 0 : 1];
        const how = `${language}, ${javascript ? 'with' : 'without'} JavaScript`;
        flow[`paid ${story}, ${how}`] = (t) => told(t, story, { language, javascript });
    }
}
/** The last: the chain's time goes forward and does not come back. */
flow['paid late'] = async (t) => {
    const payment = await t.shop.payment();
    const customer = await t.customer();
    const sheet = new Sheet(t, await customer.open(payment.url));
    await sheet.shows('waiting');
    await sheet.simulate('tools-late');
    await sheet.shows('expired');
};

export default flow;

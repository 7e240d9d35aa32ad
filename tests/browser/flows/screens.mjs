// Every screen in each theme and language, on a desk and on a phone: a picture of it, whether it fits, what axe finds.
import { mkdirSync, statSync } from 'node:fs';

import { LANGUAGES, SCREENS, Sheet, THEMES } from '../sheet.mjs';
import { brought } from '../states.mjs';

/** Pictures that README shows, each of one screen as a phone has it; `UPDATE_DOCS=1` writes them anew, as it does the documents. */
const SHOWN = { 'waiting-light-en': 'waiting', 'waiting-dark-fr': 'waiting-dark-fr', 'paid-light-en': 'paid' };
const IMAGES = `${import.meta.dirname}/../../../docs/images`;
const PHONE = { width: 390, height: 1030 };
/** They are fetched by everybody who fetches the repository. */
const MOST_BYTES = 60_000;

async function show(t, page, name) {
    const shown = SHOWN[name];
    if (!shown) return;
    await page.setViewportSize(PHONE);
    const folder = process.env.UPDATE_DOCS ? IMAGES : t.pictures;
    mkdirSync(folder, { recursive: true });
    const path = `${folder}/${shown}.png`;
    await page.screenshot({ path });
    const { size } = statSync(path);
    t.check(size <= MOST_BYTES, `${shown}.png has ${size} bytes, too many for the documents`);
}

/** Screens on which nothing is to be paid, so that they say to nobody where to. */
const SECRET = ['choose', 'seen', 'paid', 'overpaid', 'expired', 'cancelled'];

/** One screen as everybody sees it. */
async function seen(t, screen) {
    const first = await t.customer();
    const payment = await brought(screen, t.shop, new Sheet(t, await first.tab()));
    await first.context.close();
    for (const language of LANGUAGES) {
        for (const theme of THEMES) {
            const customer = await t.customer({ language, theme });
            const page = await customer.open(payment.url);
            const sheet = new Sheet(t, page, { language });
            await sheet.shows(screen);
            const name = `${screen}-${theme}-${language}`;
            if (SECRET.includes(screen)) {
                const html = (await page.content()).toLowerCase();
                // Whole in an attribute, or in pieces that tags part.
                t.check(!(html + html.replaceAll(/<[^>]*>/g, '')).includes(payment.till.address.toLowerCase()), 'it shows an address that takes no money any more');
            }
            await show(t, page, name);
            await customer.look(page, name, () => sheet.stays());
            await customer.context.close();
        }
    }
}

const flow = {};
for (const screen of SCREENS) flow[screen] = (t) => seen(t, screen);
export default flow;

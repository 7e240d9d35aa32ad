// Every screen in each theme and language, on a desk and on a phone: a picture of it, whether it fits, what axe finds.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';

import { indexed } from '../picture.mjs';
import { LANGUAGES, SCREENS, Sheet, THEMES } from '../sheet.mjs';
import { brought } from '../states.mjs';

/** Pictures that README shows, and what they are called there; `UPDATE_DOCS=1` writes them anew, as it does documents. */
const SHOWN = {
    'waiting-light-en-phone': 'waiting',
    'waiting-dark-fr-phone': 'waiting-dark-fr',
    'paid-light-en-phone': 'paid',
};
const IMAGES = `${import.meta.dirname}/../../../docs/images`;
/** They are fetched by everybody who fetches the repository. */
const MOST_BYTES = 60_000;

function show(t, name) {
    const small = SHOWN[name] ? indexed(readFileSync(`${t.pictures}/${name}.png`)) : null;
    if (!small) return;
    t.check(small.length <= MOST_BYTES, `${name} has ${small.length} bytes, too many for the documents`);
    if (!process.env.UPDATE_DOCS) return;
    mkdirSync(IMAGES, { recursive: true });
    writeFileSync(`${IMAGES}/${SHOWN[name]}.png`, small);
}

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
            await customer.look(page, name, () => sheet.stays());
            for (const width of ['phone', 'desk']) show(t, `${name}-${width}`);
            await customer.context.close();
        }
    }
}

const flow = {};
for (const screen of SCREENS) flow[screen] = (t) => seen(t, screen);
export default flow;

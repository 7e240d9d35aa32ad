// Every screen in each theme and language, on a desk and on a phone: a picture of it, whether it fits, what axe finds.
import { copyFileSync, mkdirSync, statSync } from 'node:fs';

import { LANGUAGES, SCREENS, Sheet, THEMES } from '../sheet.mjs';
import { brought } from '../states.mjs';

/** Pictures that README shows; `UPDATE_DOCS=1` writes them anew, as it does the documents. */
const SHOWN = ['waiting-light-en-phone', 'choose-dark-fr-phone', 'paid-light-en-phone'];
const IMAGES = `${import.meta.dirname}/../../../docs/images`;
/** They are fetched by everybody who fetches the repository. */
const MOST_BYTES = 60_000;

function show(t, names) {
    for (const name of SHOWN.filter((name) => names.includes(name))) {
        const picture = `${t.pictures}/${name}.png`;
        const { size } = statSync(picture);
        t.check(size <= MOST_BYTES, `${name} has ${size} bytes, too many for the documents`);
        if (!process.env.UPDATE_DOCS) continue;
        mkdirSync(IMAGES, { recursive: true });
        copyFileSync(picture, `${IMAGES}/${name}.png`);
    }
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
            show(t, [`${name}-phone`, `${name}-desk`]);
            await customer.context.close();
        }
    }
}

const flow = {};
for (const screen of SCREENS) flow[screen] = (t) => seen(t, screen);
export default flow;

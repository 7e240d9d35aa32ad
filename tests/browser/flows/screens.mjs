// Every screen in each theme and language, on a desk and on a phone: a picture of it, whether it fits, what axe finds.
import { LANGUAGES, SCREENS, Sheet, THEMES } from '../sheet.mjs';
import { brought } from '../states.mjs';

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
            await customer.look(page, `${screen}-${theme}-${language}`, () => sheet.stays());
            await customer.context.close();
        }
    }
}

const flow = {};
for (const screen of SCREENS) flow[screen] = (t) => seen(t, screen);
export default flow;

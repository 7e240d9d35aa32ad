// The payment page as a customer uses it: its screens and what can be done on them. The only place that knows its markup.
import { readFileSync } from 'node:fs';

export const LANGUAGES = ['en', 'fr'];
export const THEMES = ['light', 'dark'];
export const SCREENS = ['choose', 'waiting', 'seen', 'underpaid', 'paid', 'overpaid', 'expired', 'cancelled', 'reverted'];

/** How long a screen may be in coming on a machine that is busy with other things. */
const PATIENCE = 30_000;
const LOOK_AGAIN = 250;

/** What the page calls things, from its own message files. */
const MESSAGES = Object.fromEntries(
    LANGUAGES.map((language) => {
        const text = readFileSync(`${import.meta.dirname}/../../src/http/page/messages/${language}.ftl`, 'utf8');
        return [language, new Map([...text.matchAll(/^([a-z-]+) = (.+)$/gm)].map(([, key, value]) => [key, value]))];
    }),
);

/** A message without anything filled in. */
export function words(key, language) {
    const text = MESSAGES[language].get(key);
    if (!text) throw new Error(`no message ${key} in ${language}`);
    return text;
}

export class Sheet {
    constructor(scenario, page, { javascript = true, language = 'en' } = {}) {
        Object.assign(this, { scenario, page, javascript, language });
    }

    get main() {
        return this.page.locator('main#payment');
    }

    /** The screen now. */
    async screen() {
        return this.main.getAttribute('data-screen');
    }

    /** Waits for a screen: it comes by itself, or by refreshing where there is no JavaScript. */
    async shows(screen) {
        this.scenario.at.screen = screen;
        const begun = Date.now();
        const wanted = this.page.locator(`main#payment[data-screen="${screen}"]`);
        if (this.javascript) return wanted.waitFor({ timeout: PATIENCE });
        while (!(await wanted.count())) {
            if (Date.now() - begun > PATIENCE) throw new Error(`${await this.screen()} is not ${screen}`);
            await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
            await this.page.reload();
        }
    }

    button(key) {
        return this.page.getByRole('button', { name: words(key, this.language) });
    }

    link(key) {
        return this.page.getByRole('link', { name: words(key, this.language) });
    }

    /** Turns to one of the codes: `code-of-address` or `code-of-link`. */
    async turn(key) {
        await this.page.locator('.codes label').filter({ hasText: words(key, this.language) }).click();
    }

    /** One of the tabs. */
    tab(key) {
        return this.page.getByRole('radio', { name: words(key, this.language) });
    }

    /** Where an amount is typed. */
    get amount() {
        return this.page.getByLabel(words('choose-amount', this.language), { exact: true });
    }

    /** What tells that the line is cut. */
    get offline() {
        return this.page.getByText(words('connection-lost', this.language));
    }

    /** Chooses a token by its symbol, types an amount if there is one, and goes on. */
    async choose(symbol, amount) {
        await this.page.locator('label.offer').filter({ hasText: symbol }).click();
        if (amount !== undefined) await this.amount.fill(amount);
        await this.button('choose-go').click();
    }

    /** The browser itself lets no empty amount pass, and where it does not care, the page refuses it. */
    async asksForAnAmount(symbol) {
        await this.choose(symbol, '');
        this.scenario.same(await this.amount.evaluate(({ validity }) => validity.valueMissing), true, 'a missing amount');
        await this.amount.evaluate((input) => input.removeAttribute('required'));
        await this.choose(symbol, '');
        await this.refuses('');
    }

    /** It says what is wrong with an amount, where it was typed, and keeps what was typed. */
    async refuses(amount) {
        await this.page.getByText(words('fault-title', this.language)).waitFor();
        this.scenario.same(await this.screen(), 'choose', `the screen after the amount ${amount}`);
        this.scenario.same(await this.amount.getAttribute('aria-invalid'), 'true', `aria-invalid after ${amount}`);
        this.scenario.same(await this.amount.inputValue(), amount, 'what was typed');
    }

    /** What asks whether one means it. */
    get giveUp() {
        return this.page.locator('summary').filter({ hasText: words('cancel', this.language) });
    }

    /** Gives up, and means it. */
    async cancel() {
        await this.giveUp.click();
        await this.button('cancel-yes').click();
    }

    /** Does a deed of the test tools: `tools-exact` or another. */
    async simulate(key) {
        const tools = this.page.locator('#tools');
        if (!(await tools.getAttribute('open'))) await tools.locator('summary').click();
        const [start] = words(key, this.language).split('{');
        // News may come by the stream before the answer does: what follows is about the page that is loaded by it.
        const loaded = this.page.waitForEvent('load');
        await tools.getByRole('button', { name: start.trim() }).click();
        await loaded;
    }

    /** Turns away from the page and back, until it shows a screen of which no stream tells. */
    async comesBack(screen) {
        const begun = Date.now();
        while ((await this.screen()) !== screen) {
            if (Date.now() - begun > PATIENCE) throw new Error(`${await this.screen()} is not ${screen}`);
            // A browser without windows has no other way to say who has the focus.
            if (this.javascript) await this.page.evaluate(() => dispatchEvent(new Event('focus')));
            await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
            if (!this.javascript) await this.page.reload();
        }
    }

    /** Stays on a page that would go back to the shop by itself; any other does anyway. */
    async stays() {
        const stay = this.button('return-stay');
        if (await stay.isVisible()) await stay.click();
    }

    /** Where to pay, and by what. */
    get ways() {
        return this.page.locator('.ways');
    }

    /** Lets the time be over, as far as the page knows. */
    async runsOut() {
        await this.main.evaluate(({ dataset }) => { dataset.until = dataset.now; });
    }

    get code() {
        return this.page.locator('.codes .panel svg:visible');
    }

    /** Everything that a reader reads. */
    async text() {
        return (await this.main.innerText()).replaceAll(/\s+/g, ' ');
    }
}

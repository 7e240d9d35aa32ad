// One scenario: its pages, each under guard, and where it stands, so that whatever goes wrong says so with screen, theme
// and language.
import { look } from './look.mjs';
import { fault, note } from './stage.mjs';

/** How long anything may take on a machine that is busy with other things. */
const PATIENCE = 20_000;
const DESKTOP = { width: 1280, height: 900 };

export class Scenario {
    /** What is looked at now: `screen`, `theme`, `language`. */
    at = {};
    #contexts = [];

    constructor(name, { browser, shop, pictures }) {
        Object.assign(this, { name, browser, shop, pictures });
    }

    /** Something is wrong. */
    fault(text) {
        const at = Object.entries(this.at).map(([what, value]) => `${what} ${value}`);
        fault(`${[this.name, ...at].join(', ')}: ${text}`);
    }

    /** It is wrong unless it holds. */
    check(holds, text) {
        if (!holds) this.fault(text);
    }

    /** It is wrong unless both are the same, as JSON. */
    same(found, expected, what) {
        const [left, right] = [found, expected].map((value) => JSON.stringify(value));
        this.check(left === right, `${what} is ${left}, not ${right}`);
    }

    note(text) {
        note(`${this.name}: ${text}`);
    }

    /**
     * A customer with a browser of his own, which asks for `language`.
     */
    async customer({ language = 'en', theme = 'light', javascript = true, touch = false, ...more } = {}) {
        const context = await this.browser.newContext({
            locale: language,
            colorScheme: theme,
            javaScriptEnabled: javascript,
            viewport: DESKTOP,
            hasTouch: touch,
            isMobile: touch,
            reducedMotion: 'reduce',
            ...more,
        });
        context.setDefaultTimeout(PATIENCE);
        this.#contexts.push(context);
        this.at = { ...this.at, theme, language };
        return new Customer(this, context);
    }

    /** A picture and a fault for what broke. */
    async broke(error) {
        this.fault(error.stack ?? String(error));
        const pages = this.#contexts.flatMap((context) => context.pages());
        for (const [number, page] of pages.entries()) {
            const path = `${this.pictures}/fault-${this.name.replaceAll(/\W+/g, '-')}-${number}.png`;
            // A page that is gone shows nothing; the fault itself is told already.
            await page.screenshot({ path, timeout: 5_000 }).catch(() => {});
        }
    }

    async close() {
        for (const context of this.#contexts) await context.close();
    }
}

class Customer {
    /** What is let pass while a line is cut on purpose: a pattern for console lines. */
    expects = null;

    constructor(scenario, context) {
        Object.assign(this, { scenario, context, origins: new Set([scenario.shop.origin, scenario.shop.api]) });
    }

    /** An empty tab under guard. */
    async tab() {
        const page = await this.context.newPage();
        guard(this, page);
        return page;
    }

    /** Opens a link in a tab of its own. */
    async open(url) {
        const page = await this.tab();
        this.origins.add(new URL(url).origin);
        page.answer = await page.goto(url);
        return page;
    }

    /** Looks at a page ([look.mjs](look.mjs)). */
    look(page, name, settled) {
        return look(this.scenario, page, name, settled);
    }
}

/** Errors of the console, violations of the page's policy among them, and requests to strangers are faults. */
function guard(customer, page) {
    const { scenario } = customer;
    page.on('console', (message) => {
        const said = `${message.text()} (${message.location().url})`;
        if (!['error', 'warning'].includes(message.type())) return;
        if (!customer.expects?.test(said)) scenario.fault(`the console says: ${said}`);
    });
    page.on('pageerror', (error) => scenario.fault(`a script threw: ${error.stack ?? error}`));
    page.on('request', (request) => {
        const { origin, protocol } = new URL(request.url());
        // The page's own bytes, no request at all.
        if (['data:', 'blob:'].includes(protocol)) return;
        if (!customer.origins.has(origin) && origin !== scenario.shop.api) scenario.fault(`it asks ${origin}: ${request.method()} ${request.url()}`);
    });
}

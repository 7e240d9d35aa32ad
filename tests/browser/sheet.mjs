// The payment page as a customer uses it: its screens and what can be done on them. The only place that knows its markup.
import { note } from './stage.mjs';

export const LANGUAGES = ['en', 'fr'];
export const THEMES = ['light', 'dark'];
export const SCREENS = ['choose', 'waiting', 'seen', 'underpaid', 'paid', 'overpaid', 'expired', 'cancelled', 'reverted'];

/** How long a screen may be in coming on a machine that is busy with other things. */
const PATIENCE = 30_000;
const LOOK_AGAIN = 250;

const WORDS = {
    copyAddress: /copy address|copier l.adresse/i,
    copyAmount: /copy amount|copier le montant/i,
    cancel: /cancel|annuler/i,
    pay: /continue|continuer/i,
    back: /return to|retour/i,
    stop: /stay|stop|rester/i,
    refresh: /refresh|actualiser/i,
    addressCode: /address|adresse/i,
    linkCode: /wallet|portefeuille|link|lien/i,
};

export class Sheet {
    constructor(scenario, page, { javascript = true } = {}) {
        Object.assign(this, { scenario, page, javascript });
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

    button(what) {
        return this.page.getByRole('button', { name: WORDS[what] });
    }

    link(what) {
        return this.page.getByRole('link', { name: WORDS[what] });
    }

    tab(what) {
        return this.page.getByRole('tab', { name: WORDS[what] });
    }

    get code() {
        return this.page.locator('svg[role=img]:visible');
    }

    /** Everything that a reader reads. */
    async text() {
        return (await this.main.innerText()).replaceAll(/\s+/g, ' ');
    }
}

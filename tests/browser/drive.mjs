// Runs a flow: node drive.mjs FLOW FOLDER_OF_THE_BROWSER FOLDER_FOR_SCREENSHOTS, started by driver.rs. Each scenario of
// the flow has a clean profile; one that goes wrong does not keep the next from running.
import { mkdirSync } from 'node:fs';

import { launch } from './chromium.mjs';
import { Scenario } from './scenario.mjs';
import { Shop } from './shop.mjs';
import { end, fault, note } from './stage.mjs';

const [flow, unpacked, pictures] = process.argv.slice(2);
const only = process.env.BROWSER_ONLY ?? '';
/** A scenario that takes longer hangs. */
const LASTS = 120_000;

mkdirSync(unpacked, { recursive: true });
mkdirSync(pictures, { recursive: true });
const { default: scenarios } = await import(`./flows/${flow}.mjs`);
const [browser, shop] = await Promise.all([launch(unpacked), Shop.open()]);
try {
    for (const [name, play] of Object.entries(scenarios)) {
        if (!name.includes(only)) continue;
        const scenario = new Scenario(name, { browser, shop, pictures });
        const begun = performance.now();
        try {
            await Promise.race([play(scenario), late()]);
        } catch (error) {
            await scenario.broke(error);
        }
        await scenario.close();
        note(`${name}: ${Math.round(performance.now() - begun)} ms`);
    }
} catch (error) {
    fault(`the flow broke off: ${error.stack}`);
}
await browser.close();
end();

function late() {
    return new Promise((_, reject) => {
        setTimeout(reject, LASTS, new Error(`it does not end within ${LASTS / 1000} s`)).unref();
    });
}

// The line to driver.rs: what is asked of the stage, what was found wrong. When it closes, this process and with it the
// browser end.
import { createInterface } from 'node:readline';

const waiting = new Map();
let asked = 0;

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

createInterface({ input: process.stdin })
    .on('line', (line) => {
        const { id, answer } = JSON.parse(line);
        waiting.get(id)(answer);
        waiting.delete(id);
    })
    .on('close', () => process.exit(3));

/** Asks for a deed of stage.rs and waits until it is done. */
export function ask(deed, asks = {}) {
    asked += 1;
    say({ id: asked, ask: deed, with: asks });
    return new Promise((resolve) => waiting.set(asked, resolve));
}

/** Something is wrong; the test fails. */
export const fault = (text) => say({ fault: text });

/** For people. */
export const note = (text) => say({ note: text });

/** The flow has ended as it should. */
export function end() {
    process.stdout.write(`${JSON.stringify({ end: true })}\n`, () => process.exit(0));
}

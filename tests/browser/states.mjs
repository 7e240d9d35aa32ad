// How a payment comes into each state that a page shows. Not for what the page makes of it.
import { ask } from './stage.mjs';

/** What confirms a payment: two blocks on its own. */
const bury = () => ask('mine', { blocks: 2 });

/**
 * Of each screen a payment that shows it. `sheet` is an open page of it, which the state may need: a customer who
 * cancels does so on the page, and what was seen confirmed must have been seen.
 */
export const STATES = {
    choose: { asks: (shop) => shop.till({ min: '5', max: '500' }).then((till) => till.payment()) },
    waiting: {},
    seen: { comes: (payment) => payment.pay('25') },
    underpaid: {
        async comes(payment) {
            await payment.pay('10.5');
            await bury();
        },
    },
    paid: {
        async comes(payment) {
            await payment.pay('25');
            await bury();
        },
    },
    overpaid: {
        async comes(payment) {
            await payment.pay('30');
            await bury();
        },
    },
    expired: { comes: (payment) => ask('end session', { depositId: payment.depositId }) },
    cancelled: { comes: (_, sheet) => sheet.cancel() },
    reverted: {
        async comes(payment, sheet) {
            await payment.pay('25');
            await ask('mine', { blocks: 4 });
            await sheet.shows('paid');
            await sheet.stays();
            await ask('reorganise', { depth: 5 });
            await sheet.shows('reverted');
        },
    },
};

/** A payment in this state. */
export async function brought(state, shop, sheet) {
    const { asks = () => shop.payment(), comes } = STATES[state];
    const payment = await asks(shop);
    await sheet.page.goto(payment.url);
    await comes?.(payment, sheet);
    await sheet.shows(state);
    return payment;
}

// Looks at a page as it stands: a picture, whether it fits, what axe finds, what a QR code in the picture says.
import { load } from './tools.mjs';

const AxeBuilder = load('@axe-core/playwright').default;
const jsqr = load('jsqr');
const decode = jsqr.default ?? jsqr;
const { PNG } = load('pngjs');

/** The rules of WCAG 2.2 AA, those that axe leaves out by default among them, and what experience adds. */
const AXE = {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    rules: { 'target-size': { enabled: true } },
};

/** A phone, as narrow as WCAG asks for, and a desk. */
export const WIDTHS = { phone: { width: 320, height: 640 }, desk: { width: 1280, height: 900 } };

/** Everything: pictures at both widths, then, once it is `settled` where it would go away, whether it fits and axe. */
export async function look(scenario, page, name, settled = async () => {}) {
    const widths = Object.entries(WIDTHS);
    for (const [width, size] of widths) {
        await page.setViewportSize(size);
        await page.screenshot({ path: `${scenario.pictures}/${name}-${width}.png`, fullPage: true });
    }
    await settled();
    for (const [width, size] of widths) {
        await page.setViewportSize(size);
        for (const text of await tooWide(page)) scenario.fault(`${width}: ${text}`);
        for (const text of await accessible(page)) scenario.fault(`${width}: ${text}`);
    }
}

/** What does not fit into the width of the page. */
export async function tooWide(page) {
    return page.evaluate(() => {
        const { scrollWidth, clientWidth } = document.scrollingElement;
        if (scrollWidth <= clientWidth) return [];
        const wide = [...document.body.querySelectorAll('*')].filter(
            (element) => element.getBoundingClientRect().right > clientWidth + 0.5,
        );
        const first = wide.slice(0, 3).map((element) => element.outerHTML.slice(0, 120));
        return [`it scrolls sideways (${scrollWidth} of ${clientWidth} px): ${first.join(' | ')}`];
    });
}

/** What axe finds, a line for each rule that is broken. */
export async function accessible(page) {
    const { violations } = await new AxeBuilder({ page }).options(AXE).setLegacyMode(true).analyze();
    return violations.map(({ id, help, nodes }) => {
        const places = nodes.slice(0, 3).map((node) => `${node.target.join(' ')} ${node.failureSummary ?? ''}`);
        return `axe ${id}: ${help}: ${places.join(' | ').replaceAll(/\s+/g, ' ')}`;
    });
}

/** What a QR code says in a picture of this part of the page and a thumb's width around it; null: nothing is read. */
export async function code(page, locator, path) {
    await locator.scrollIntoViewIfNeeded();
    const box = await locator.boundingBox();
    const { width, height } = page.viewportSize();
    const [x, y] = [Math.max(box.x - 12, 0), Math.max(box.y - 12, 0)];
    const clip = { x, y, width: Math.min(box.width + 24, width - x), height: Math.min(box.height + 24, height - y) };
    const png = PNG.sync.read(await page.screenshot({ clip, ...(path ? { path } : {}) }));
    return decode(new Uint8ClampedArray(png.data), png.width, png.height)?.data ?? null;
}

// The browser: the one that DEPOSIT_WATCHER_CHROMIUM names, or the pinned Chromium of the npm registry, unpacked once
// below target/. Not for what is looked at in it.
//
// Of the package @sparticuz/chromium only the archives are used. Its own code unpacks into the machine's temporary
// folder, where another user may have put something of the same name, and its own arguments switch off the same-origin
// policy, which is among what is tested.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';

import { load, tool } from './tools.mjs';

/** Names another browser. */
const VARIABLE = 'DEPOSIT_WATCHER_CHROMIUM';
const PACKAGE = '@sparticuz/chromium';
/** How long a browser may take to start on a machine that is busy with other things. */
const STARTS_WITHIN = 60_000;

/** No sandbox: pages are our own and root, as whom tests may run, has none. No GPU, one process less to lose. */
const ARGUMENTS = ['--no-sandbox', '--no-zygote', '--disable-gpu', '--font-render-hinting=none', '--hide-scrollbars'];

/** Text looks the same on every machine: Open Sans of the browser's package, DejaVu for what that lacks. */
const FONTS = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir prefix="relative">fonts</dir><cachedir prefix="xdg">fonts</cachedir>
<alias binding="same"><family>system-ui</family><prefer><family>Open Sans</family></prefer></alias>
<alias binding="same"><family>sans-serif</family><prefer><family>Open Sans</family></prefer></alias>
<alias binding="same"><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>`;

/** Starts a browser; `parent` is a folder for the unpacked one. Whoever starts it closes it. */
export async function launch(parent) {
    const { chromium } = load('playwright-core');
    const { executablePath, env } = await found(parent);
    const headless = { headless: true, args: ARGUMENTS, timeout: STARTS_WITHIN };
    return chromium.launch({ ...headless, executablePath, env: { ...process.env, ...env } });
}

async function found(parent) {
    const named = process.env[VARIABLE];
    if (named) {
        if (!existsSync(named)) throw new Error(`${VARIABLE} names ${named}, where nothing is`);
        return { executablePath: named, env: {} };
    }
    if (process.platform !== 'linux' || process.arch !== 'x64') {
        throw new Error(
            `no browser: the pinned one is for Linux on x64, this is ${process.platform} on ${process.arch}; ` +
                `name the file of a Chromium or Chrome in ${VARIABLE}`,
        );
    }
    const folder = await unpacked(parent);
    const env = {
        LD_LIBRARY_PATH: `${folder}/al2023/lib`,
        FONTCONFIG_FILE: `${folder}/fonts.conf`,
        // What it remembers of the fonts, which is otherwise left in the folder of whoever starts it.
        XDG_CACHE_HOME: `${folder}/cache`,
    };
    return { executablePath: `${folder}/chromium`, env };
}

/** Unpacks into a folder of its own and renames that: others see all of it or nothing. */
async function unpacked(parent) {
    if (!existsSync(tool(`${PACKAGE}/package.json`))) throw new Error(`${PACKAGE} is missing: run \`make tools\``);
    const { version } = JSON.parse(await readFile(tool(`${PACKAGE}/package.json`), 'utf8'));
    // Another configuration is another folder, beside the old one.
    const digest = createHash('sha256').update(FONTS).digest('hex').slice(0, 8);
    const folder = `${parent}/chromium-${version}-${digest}`;
    if (existsSync(folder)) return folder;
    const making = await mkdtemp(`${folder}.`);
    try {
        await Promise.all([
            inflate('chromium.br', createWriteStream(`${making}/chromium`, { mode: 0o755 })),
            // The libraries that a machine without a desktop lacks.
            inflate('al2023.tar.br', load('tar-fs').extract(`${making}/al2023`)),
            inflate('fonts.tar.br', load('tar-fs').extract(`${making}/fonts`)),
        ]);
        await cp(tool('dejavu-fonts-ttf/ttf'), `${making}/fonts/dejavu`, { recursive: true });
        await writeFile(`${making}/fonts.conf`, FONTS);
        await rename(making, folder);
    } catch (error) {
        await rm(making, { recursive: true, force: true });
        // Somebody else was first, with the same.
        if (!['ENOTEMPTY', 'EEXIST'].includes(error.code)) throw error;
    }
    return folder;
}

const inflate = (name, into) =>
    pipeline(createReadStream(tool(`${PACKAGE}/bin/${name}`)), createBrotliDecompress(), into);

// The npm packages that the browser tests stand on, from the folder that `make tools` fills. Not for using them.
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const folder = resolve(process.env.DEPOSIT_WATCHER_TOOLS ?? `${import.meta.dirname}/../tools/node_modules`);
const require = createRequire(`${folder}/`);

/** Where a file of a package lies. */
export const tool = (path) => `${folder}/${path}`;

/** A package by its name. */
export function load(name) {
    try {
        return require(tool(name));
    } catch (error) {
        throw new Error(`${name} is not in ${folder}: run \`make tools\` (${error.message.split('\n')[0]})`);
    }
}

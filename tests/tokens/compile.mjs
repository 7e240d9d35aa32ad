// Compiles the test tokens of this folder into artifacts.json, which is committed so that neither build nor test
// compiles Solidity. With --check it writes nothing and fails when the committed file differs from a fresh compile.
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const here = new URL("./", import.meta.url);
const solc = createRequire(new URL("../tools/package.json", here))("solc");
const artifacts = new URL("artifacts.json", here);

const names = readdirSync(here).filter((name) => name.endsWith(".sol")).sort();
const sources = Object.fromEntries(names.map((name) => [name, { content: readFileSync(new URL(name, here), "utf8") }]));
const settings = {
  evmVersion: "cancun",
  optimizer: { enabled: true, runs: 200 },
  metadata: { appendCBOR: false, bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["evm.bytecode.object", "evm.methodIdentifiers"] } },
};
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));

const problems = output.errors ?? [];
for (const problem of problems) console.error(problem.formattedMessage);
if (problems.length > 0) process.exit(1);

const compiled = {};
for (const contracts of Object.values(output.contracts)) {
  for (const [name, { evm }] of Object.entries(contracts)) {
    if (evm.bytecode.object === "") continue; // abstract
    compiled[name] = { bytecode: `0x${evm.bytecode.object}`, selectors: evm.methodIdentifiers };
  }
}
const fresh = `${JSON.stringify(compiled, null, 2)}\n`;

if (process.argv.includes("--check")) {
  if (readFileSync(artifacts, "utf8") !== fresh) {
    console.error("tests/tokens/artifacts.json is stale: run `node tests/tokens/compile.mjs`");
    process.exit(1);
  }
  console.log(`tests/tokens/artifacts.json is what solc ${solc.version()} makes of ${names.join(", ")}`);
} else {
  writeFileSync(artifacts, fresh);
  console.log(`wrote tests/tokens/artifacts.json: ${Object.keys(compiled).join(", ")}`);
}

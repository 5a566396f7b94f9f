// Creates a package: npm run new-package -- NAME "one sentence" [dependency ...]   (names without the @blk/ prefix)
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { mayUse, rowOf } from './layers.mjs';
import { files } from './template.mjs';
import { root } from './workspace.mjs';

const [name = '', sentence = '', ...dependencies] = process.argv.slice(2);
const fail = (text, code = 1) => {
  console.error(`new-package: ${text}`);
  process.exit(code);
};
if (!/^[a-z][a-z0-9-]*$/.test(name) || sentence === '') fail('usage: npm run new-package -- NAME "one sentence." [dependency ...]', 2);
if (!sentence.endsWith('.')) fail(`the sentence ends in a full stop: "${sentence}"`, 2);
const dir = join(root, 'packages', name);
if (existsSync(dir)) fail(`packages/${name} exists already`);
if (rowOf(name) === undefined) fail(`${name} has no row in tooling/skeleton/layers.mjs: say there first where it stands`);
for (const dependency of dependencies) {
  if (!existsSync(join(root, 'packages', dependency))) fail(`there is no packages/${dependency}`);
  if (!mayUse(name, dependency, 'runtime')) fail(`the layers do not allow ${name} to import ${dependency}`);
}

const license = readFileSync(join(root, 'LICENSE'), 'utf8');
for (const [file, text] of Object.entries(files({ name, sentence, dependencies, license }))) {
  mkdirSync(dirname(join(dir, file)), { recursive: true });
  writeFileSync(join(dir, file), text);
}
console.log(`created packages/${name}; run npm install to link it`);

// Compares every published package with the skeleton, so that knowing one package is knowing all of them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { extras, fixedFiles, headings, keyOrder, manifest, presetFiles, presets, scripts } from './template.mjs';
import { members, root } from './workspace.mjs';

const packages = members('packages');
const versions = new Map(packages.map((member) => [member.manifest.name, member.manifest.version]));
const license = readFileSync(join(root, 'LICENSE'), 'utf8');
const complaints = [];

for (const member of packages) {
  const say = (file, text) => complaints.push(`packages/${member.name}/${file}: ${text}`);
  checkManifest(member, (text) => say('package.json', text));
  checkFiles(member, say);
  checkWords(member, say);
}
if (complaints.length > 0) {
  console.error(complaints.join('\n'));
  process.exit(1);
}
console.log(`skeleton: ${packages.length} packages have the one shape`);

function checkManifest({ name, manifest: found }, say) {
  const extra = extras[name] ?? {};
  const wanted = manifest({ name, sentence: found.description, dependencies: [] });
  const same = (key) => {
    if (JSON.stringify(found[key]) !== JSON.stringify(wanted[key])) say(`${key} is ${JSON.stringify(found[key])}, the skeleton has ${JSON.stringify(wanted[key])}`);
  };
  for (const key of ['name', 'license', 'type', 'engines']) same(key);
  // A program's modules do something when they are loaded; a library's do not.
  if (found.bin === undefined) same('sideEffects');
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(found.version)) say(`version ${found.version} is not a version`);

  const order = keyOrder.map((key) => key.replace('?', ''));
  for (const key of Object.keys(found)) if (!order.includes(key)) say(`${key} is not a field of the skeleton`);
  for (const key of keyOrder) if (!key.startsWith('?') && !(key in found)) say(`${key} is missing`);
  const ranks = Object.keys(found).map((key) => order.indexOf(key));
  if (ranks.some((rank, i) => i > 0 && rank < ranks[i - 1])) say(`its fields are not in the order ${order.join(', ')}`);

  const files = ['dist', 'src', ...(extra.files ?? [])];
  if (!['dist', 'src'].every((file) => found.files?.includes(file)) || !found.files.every((file) => files.includes(file))) {
    say(`files is ${JSON.stringify(found.files)}, the skeleton has ${JSON.stringify(files)}`);
  }
  for (const [key, command] of Object.entries(scripts)) {
    if (found.scripts?.[key] !== command) say(`script ${key} is ${JSON.stringify(found.scripts?.[key])}, the skeleton has ${JSON.stringify(command)}`);
  }
  for (const key of Object.keys(found.scripts ?? {})) {
    if (!(key in scripts) && !(extra.scripts ?? []).includes(key)) say(`script ${key} is not in the skeleton (tooling/skeleton/template.mjs, extras)`);
  }
  checkExports(found, wanted, say);
  checkDependencies(found, say);
}

function checkExports(found, wanted, say) {
  const { '.': main, './package.json': self, ...subpaths } = found.exports ?? {};
  if (JSON.stringify(main) !== JSON.stringify(wanted.exports['.'])) say(`exports["."] is not the skeleton's`);
  if (self !== './package.json') say('exports["./package.json"] is missing');
  for (const [subpath, conditions] of Object.entries(subpaths)) {
    const keys = Object.keys(conditions);
    if (keys[0] !== '@blk/source' || keys[1] !== 'types' || keys.at(-1) !== 'default') {
      say(`exports["${subpath}"] needs the conditions @blk/source, types, … default, in this order`);
    }
  }
}

function checkDependencies(found, say) {
  for (const preset of presets) if (found.devDependencies?.[preset] !== '*') say(`devDependencies lacks ${preset}: "*"`);
  for (const field of ['dependencies', 'optionalDependencies', 'peerDependencies', 'devDependencies']) {
    for (const [dependency, range] of Object.entries(found[field] ?? {})) {
      const version = versions.get(dependency);
      if (version !== undefined && range !== `^${version}` && !(field === 'devDependencies' && range === '*')) {
        say(`${field} has ${dependency} at ${range}, in the repository it is ^${version}`);
      }
    }
  }
}

function checkFiles({ dir }, say) {
  const read = (file) => (existsSync(join(dir, file)) ? readFileSync(join(dir, file), 'utf8') : undefined);
  for (const [file, text] of Object.entries({ ...fixedFiles, LICENSE: license })) {
    const found = read(file);
    if (found === undefined) say(file, 'is missing');
    else if (found !== text) say(file, 'differs from the skeleton');
  }
  for (const [file, { opens, call }] of Object.entries(presetFiles)) {
    const found = read(file);
    if (found === undefined) say(file, 'is missing');
    else if (!found.startsWith('//') && !found.startsWith(opens)) say(file, `opens with ${JSON.stringify(opens)}, or with a comment that says why not`);
    else if (!found.includes(`export default ${call}(`)) say(file, `exports ${call}(…) and nothing else`);
  }
  if (!existsSync(join(dir, 'test')) || !readdirSync(join(dir, 'test'), { recursive: true }).some((file) => file.endsWith('.test.ts'))) {
    say('test', 'has no tests');
  }
}

function checkWords({ name, dir, manifest: { description } }, say) {
  const readme = existsSync(join(dir, 'README.md')) ? readFileSync(join(dir, 'README.md'), 'utf8') : '';
  const [title, , sentence] = readme.split('\n');
  if (title !== `# @blk/${name}`) say('README.md', `its title is not "# @blk/${name}"`);
  if (sentence !== description) say('README.md', `its sentence is not the manifest's description`);
  // Headings inside fenced examples are not headings.
  const found = [...readme.replace(/^```[\s\S]*?^```/gm, '').matchAll(/^## (.*)$/gm)].map((match) => match[1]);
  const wanted = headings.map((heading) => heading.replace('?', ''));
  const required = headings.filter((heading) => !heading.startsWith('?'));
  if (JSON.stringify(found.filter((h) => required.includes(h))) !== JSON.stringify(required) || found.some((h) => !wanted.includes(h))) {
    say('README.md', `its sections are ${found.join(', ') || 'none'}; the order is ${wanted.join(', ')}`);
  }
  const index = existsSync(join(dir, 'src/index.ts')) ? readFileSync(join(dir, 'src/index.ts'), 'utf8') : '';
  if (!/^(#!.*\n)?\/\*\*[\s\S]*?@packageDocumentation/.test(index)) say('src/index.ts', 'does not open with the package comment (@packageDocumentation)');
}

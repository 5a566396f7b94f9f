// The manifest side of the layer check: `dependencies` and `devDependencies` against the table in layers.mjs.
import { mayUse, rowOf } from './layers.mjs';
import { members } from './workspace.mjs';

const fields = { dependencies: 'runtime', optionalDependencies: 'runtime', peerDependencies: 'runtime', devDependencies: 'dev' };
const all = [...members('packages'), ...members('tooling')];
const names = new Set(all.map((member) => member.name));
const isPrivate = new Set(all.filter((member) => member.manifest.private).map((member) => member.name));
const complaints = [];

for (const { name, group, manifest } of all) {
  const say = (text) => complaints.push(`${group}/${name}/package.json: ${text}`);
  if (rowOf(name) === undefined) say('the package has no row in tooling/skeleton/layers.mjs');
  for (const [field, kind] of Object.entries(fields)) {
    for (const dependency of Object.keys(manifest[field] ?? {})) {
      if (!dependency.startsWith('@blk/')) continue;
      const to = dependency.slice('@blk/'.length);
      if (!names.has(to)) say(`${field} names ${dependency}, which is not in this repository`);
      else if (group === 'packages' && kind === 'runtime' && isPrivate.has(to)) say(`${field} names ${dependency}, which is not published`);
      else if (!mayUse(name, to, group === 'tooling' ? 'dev' : kind)) say(`${field} names ${dependency}, which the layers do not allow`);
    }
  }
}

if (complaints.length > 0) {
  console.error(complaints.join('\n'));
  process.exit(1);
}
console.log(`layers: ${all.length} manifests agree with the table`);

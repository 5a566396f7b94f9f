// What is in the repository: its packages, their manifests, and which of their files only Node loads.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** Every package of a group: `{ name, group, dir, manifest }`, name without the scope, sorted. */
export function members(group) {
  return readdirSync(join(root, group))
    .filter((name) => existsSync(join(root, group, name, 'package.json')))
    .sort()
    .map((name) => {
      const dir = join(root, group, name);
      return { name, group, dir, manifest: JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) };
    });
}

/** Source files that a package's `imports` map chooses under the condition `node`, relative to the package. */
export function nodeOnlyFiles(manifest) {
  const found = new Set();
  const walk = (value, underNode) => {
    if (typeof value === 'string') {
      if (underNode && value.startsWith('./src/')) found.add(value.slice(2));
    } else if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) walk(inner, underNode || key === 'node');
    }
  };
  walk(manifest.imports ?? {}, false);
  return [...found];
}

// The one shape of a package: `new-package` writes it, `check-skeleton` compares with it.

/** The scripts of every package. */
export const scripts = {
  build: 'tsup',
  typecheck: 'tsc',
  lint: 'eslint .',
  test: 'vitest run',
  'check:exports': 'publint --strict && attw --pack . --profile esm-only',
};

/** The development dependencies of every package. */
export const presets = ['@blk/eslint-config', '@blk/tsconfig', '@blk/tsup-config', '@blk/vitest-config'];

/** The manifest's keys, in this order; those behind a `?` are there when needed. */
export const keyOrder = [
  'name', 'version', 'description', 'license', 'type', 'sideEffects', 'engines', '?bin', 'files', '?browser', '?imports', 'exports',
  'scripts', '?dependencies', '?optionalDependencies', '?peerDependencies', '?peerDependenciesMeta', 'devDependencies',
];

/** The headings of a README below its title, in this order; those behind a `?` are there for image formats. */
export const headings = ['Use', 'Supports', 'Options', '?Format'];

/** What one package may have beyond the skeleton, and why. */
export const extras = {
  'qapi-types': {
    files: ['schema'], // the schema is what other generators read
    scripts: ['generate', 'check:generated'], // its code is generated and committed
  },
};

/** One conditional export of a subpath whose source is `src/NAME.ts`. */
export const subpath = (name) => ({ '@blk/source': `./src/${name}.ts`, types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` });

/** The manifest of a new package. */
export function manifest({ name, sentence, dependencies }) {
  return {
    name: `@blk/${name}`,
    version: '0.1.0',
    description: sentence,
    license: 'MIT',
    type: 'module',
    sideEffects: false,
    engines: { node: '>=20.19' },
    files: ['dist', 'src'],
    exports: { '.': subpath('index'), './package.json': './package.json' },
    scripts,
    dependencies: Object.fromEntries(dependencies.map((dependency) => [`@blk/${dependency}`, '^0.1.0'])),
    devDependencies: Object.fromEntries(presets.map((preset) => [preset, '*'])),
  };
}

/** Files that are the same in every package. */
export const fixedFiles = {
  'tsconfig.json': `{
  "extends": "@blk/tsconfig/base.json",
  "compilerOptions": { "types": ["node"] },
  "include": ["src", "test", "*.config.ts"]
}
`,
  'eslint.config.js': `import { project } from '@blk/eslint-config';

export default project(import.meta.dirname);
`,
};

/** Files that call a preset, perhaps with options of their own: text before the call, and the call's name. */
export const presetFiles = {
  'tsup.config.ts': { opens: `import { library } from '@blk/tsup-config';\n\n`, call: 'library' },
  'vitest.config.ts': { opens: `import { project } from '@blk/vitest-config';\n\n`, call: 'project' },
};

/** Every file of a new package. */
export function files({ name, sentence, dependencies, license }) {
  const preset = Object.entries(presetFiles).map(([file, { opens, call }]) => [file, `${opens}export default ${call}();\n`]);
  return {
    'package.json': `${JSON.stringify(manifest({ name, sentence, dependencies }), null, 2)}\n`,
    ...fixedFiles,
    ...Object.fromEntries(preset),
    LICENSE: license,
    'README.md': `# @blk/${name}\n\n${sentence}\n\n## Use\n\n## Supports\n\n## Options\n`,
    'src/index.ts': `/**\n * ${sentence}\n *\n * @packageDocumentation\n */\nexport {};\n`,
    'test/index.test.ts': `import { describe, expect, it } from 'vitest';
import * as names from '../src/index.js';

describe('@blk/${name}', () => {
  it('exports what its README shows', () => {
    expect(Object.keys(names).sort()).toEqual([]);
  });
});
`,
  };
}

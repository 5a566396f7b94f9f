// Creates a package from the one skeleton: node tooling/skeleton/new-package.mjs NAME "one sentence" [dep ...]
import { mkdir, writeFile, access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const [name, sentence, ...deps] = process.argv.slice(2);
if (!name || !sentence || !/^[a-z][a-z0-9-]*$/.test(name)) {
  console.error('usage: new-package NAME "one sentence" [dependency ...]   (names without the @blk/ prefix)');
  process.exit(2);
}
const dir = join(root, 'packages', name);
if (await access(dir).then(() => true, () => false)) {
  console.error(`new-package: packages/${name} exists already`);
  process.exit(1);
}
const files = {
  'package.json': JSON.stringify(
    {
      name: `@blk/${name}`,
      version: '0.1.0',
      description: sentence,
      license: 'MIT',
      type: 'module',
      sideEffects: false,
      engines: { node: '>=20.19' },
      files: ['dist', 'src'],
      exports: {
        '.': { '@blk/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' },
        './package.json': './package.json',
      },
      scripts: {
        build: 'tsup',
        typecheck: 'tsc',
        lint: 'eslint .',
        test: 'vitest run',
        'check:exports': 'publint --strict && attw --pack . --profile esm-only',
      },
      dependencies: Object.fromEntries(deps.map((d) => [`@blk/${d}`, '^0.1.0'])),
      devDependencies: {
        '@blk/eslint-config': '*',
        '@blk/tsconfig': '*',
        '@blk/tsup-config': '*',
        '@blk/vitest-config': '*',
      },
    },
    null,
    2,
  ),
  'tsconfig.json': `{
  "extends": "@blk/tsconfig/base.json",
  "compilerOptions": { "types": ["node"] },
  "include": ["src", "test", "*.config.ts"]
}`,
  'tsup.config.ts': `import { library } from '@blk/tsup-config';\n\nexport default library();`,
  'vitest.config.ts': `import { project } from '@blk/vitest-config';\n\nexport default project();`,
  'eslint.config.js': `import { project } from '@blk/eslint-config';\n\nexport default project(import.meta.dirname);`,
  'src/index.ts': `/**\n * ${sentence}\n *\n * @packageDocumentation\n */\nexport {};`,
  'README.md': `# @blk/${name}\n\n${sentence}\n\n## Use\n\n## Supports\n\n## Options`,
};
for (const [file, text] of Object.entries(files)) {
  await mkdir(dirname(join(dir, file)), { recursive: true });
  await writeFile(join(dir, file), text + '\n');
}
console.log(`created packages/${name}; run npm install to link it`);

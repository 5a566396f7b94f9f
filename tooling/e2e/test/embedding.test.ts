// Embedding proved from outside: packed tarballs in an empty project, type-checked, run, and bundled for a browser.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { qemuImg, qemuIo, run, skipUnless, tempDir, type RunResult, type TempDir } from '@blk/oracle';

const ROOT = join(import.meta.dirname, '../../..');
/** What the examples import, and what that depends on. */
const PACKAGES = withDependencies(['core-graph', 'drivers-file', 'drivers-qcow2', 'drivers-blob']);
const needs = skipUnless('qemu-img', 'qemu-io');

/** Three packages, under ten lines. */
const EXAMPLE = `import { openImage } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { qcow2 } from '@blk/drivers-qcow2';

await using image = await openImage('disk.qcow2', { drivers: [file, qcow2] });
const bytes: Uint8Array = await image.read(65536, 4);
console.log(image.format, image.size, bytes.join(' '));
`;

const BROWSER = `import { openImage } from '@blk/core-graph';
import { blob, blobSource } from '@blk/drivers-blob';
import { qcow2 } from '@blk/drivers-qcow2';

export async function first(source: Blob): Promise<string> {
  await using image = await openImage({ driver: 'qcow2', file: blobSource(source) }, { drivers: [blob, qcow2] });
  return (await image.read(65536, 4)).join(' ') + ' ' + (await image.read(1048576, 2)).join(' ');
}
(globalThis as { first?: typeof first }).first = first;
`;

describe.skipIf(needs.skip)(needs.title('packed tarballs in an empty project'), () => {
  let project: TempDir;

  beforeAll(async () => {
    project = tempDir();
    const tarballs = await pack(project.path);
    writeFileSync(project.file('package.json'), JSON.stringify({ name: 'outside', private: true, type: 'module' }));
    // Native helpers are left out on purpose: every driver works without them.
    await npm(['install', '--no-audit', '--no-fund', '--omit=optional', '--prefer-offline', '--ignore-scripts', ...tarballs], project.path);
    succeed(await qemuImg('create', '-q', '-f', 'qcow2', project.file('plain.qcow2'), '4M'));
    succeed(await qemuIo(project.file('plain.qcow2'), ['write -q -P 7 64k 64k', 'write -q -P 9 1M 64k'], { format: 'qcow2' }));
    succeed(await qemuImg('convert', '-c', '-O', 'qcow2', project.file('plain.qcow2'), project.file('disk.qcow2')));
    return () => { project[Symbol.dispose](); };
  }, 180_000);

  test('an image is opened in under ten lines, checked in strict mode', async () => {
    expect(EXAMPLE.trim().split('\n').length).toBeLessThan(10);
    mkdirSync(project.file('src'));
    writeFileSync(project.file('src/main.ts'), EXAMPLE);
    writeFileSync(project.file('tsconfig.json'), JSON.stringify({
      compilerOptions: {
        target: 'ES2022', module: 'NodeNext', lib: ['ES2023', 'ESNext.Disposable', 'DOM'], types: [], strict: true,
        exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, outDir: 'out', rootDir: 'src',
      },
      include: ['src/main.ts'],
    }));
    succeed(await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project.path]));
    const result = succeed(await run(process.execPath, [project.file('out/main.js')], { cwd: project.path }));
    expect(result.stdout).toBe('qcow2 4194304 7 7 7 7\n');
  });

  test('a Blob is read in a bundle for browsers, without anything of Node', async () => {
    writeFileSync(project.file('browser.ts'), BROWSER);
    const outfile = project.file('bundle.js');
    const result = await build({
      entryPoints: [project.file('browser.ts')], outfile, bundle: true, platform: 'browser', format: 'iife', target: 'es2022', metafile: true, logLevel: 'silent',
    });
    const inputs = Object.keys(result.metafile.inputs);
    expect(inputs.filter((input) => input.startsWith('node:') || /-node\./.test(input))).toEqual([]);
    const globals: Record<string, unknown> = { Blob, WebAssembly, performance, crypto, setTimeout, clearTimeout, ReadableStream, WritableStream, DecompressionStream, TextDecoder, TextEncoder };
    createContext(globals);
    // Today's browsers have it; a new context of Node 20 does not.
    runInContext(`Symbol.asyncDispose ??= Symbol.for('Symbol.asyncDispose')`, globals);
    runInContext(readFileSync(outfile, 'utf8'), globals);
    const first = globals['first'] as (source: Blob) => Promise<string>;
    // Compressed clusters, so that the inflater of browsers is the one that is tried.
    expect(await first(new Blob([readFileSync(project.file('disk.qcow2'))]))).toBe('7 7 7 7 9 9');
  });
});

/** The packages, and those of ours that they depend on. */
function withDependencies(names: readonly string[]): string[] {
  const all = new Set(names);
  for (const name of all) {
    const { dependencies = {} } = JSON.parse(readFileSync(join(ROOT, 'packages', name, 'package.json'), 'utf8')) as { dependencies?: object };
    for (const dependency of Object.keys(dependencies)) if (dependency.startsWith('@blk/')) all.add(dependency.slice('@blk/'.length));
  }
  return [...all];
}

/** Packs the built packages into `dir`, each from a copy, so that the repository stays as it is. */
async function pack(dir: string): Promise<string[]> {
  const tarballs: string[] = [];
  for (const name of PACKAGES) {
    const from = join(ROOT, 'packages', name);
    if (!existsSync(join(from, 'dist'))) throw new Error(`${name} is not built: npm run build first`);
    const copy = join(dir, 'pack', name);
    cpSync(from, copy, { recursive: true, filter: (path) => basename(path) !== 'node_modules' && basename(path) !== 'test' });
    const packed = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', dir], copy);
    const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
    tarballs.push(join(dir, filename));
  }
  return tarballs;
}

async function npm(args: readonly string[], cwd: string): Promise<RunResult> {
  return succeed(await run('npm', args, { cwd, timeout: 120_000, env: { NODE_EXTRA_CA_CERTS: process.env['NODE_EXTRA_CA_CERTS'] } }));
}

function succeed(result: RunResult): RunResult {
  expect(result, result.stdout + result.stderr).toMatchObject({ code: 0 });
  return result;
}

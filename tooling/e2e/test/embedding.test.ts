// Embedding proved from outside: packed tarballs in an empty project, type-checked, run, and bundled for a browser.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { qemuImg, qemuIo, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { installPacked, pack, ROOT, succeed, withDependencies } from '../src/index.js';

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
    await installPacked(project.path, await pack(PACKAGES, project.path));
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

// Each format's package as npm delivers it: alone in an empty project, and in a browser, where it reads a Blob.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { beforeAll, describe, expect, test } from 'vitest';
import { run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { FORMATS, installPacked, makeImages, pack, runInBrowser, succeed, withDependencies } from '../src/index.js';

const needs = skipUnless('qemu-img', 'qemu-io');
const browser = skipUnless('qemu-img', 'qemu-io', 'chromium-headless-shell');
const SHARED = ['core-graph', 'drivers-file', 'drivers-blob'];

/** What every image holds at 64 KiB, at 1 MiB, and where nothing was written. */
const EXPECTED = '7 7 7 7|9 9 9 9|0 0 0 0';
const READ = `[65536, 1048576, 2097152 + 512].map(async (offset) => (await image.read(offset, 4)).join(' '))`;

describe.skipIf(needs.skip)(needs.title('packages of formats, packed'), () => {
  let dir: TempDir;
  let tarballs: Map<string, string>;
  let images: Map<string, string>;

  beforeAll(async () => {
    dir = tempDir();
    images = await makeImages(dir);
    tarballs = await pack(withDependencies([...SHARED, ...FORMATS.map((format) => format.package)]), dir.path);
    return () => { dir[Symbol.dispose](); };
  }, 180_000);

  test.each(FORMATS.map((format) => [format.package, format.name, format.driver] as const))('%s alone opens an image: %s', { timeout: 120_000 }, async (name, image, driver) => {
    const project = dir.file(`alone-${image}`);
    const wanted = withDependencies(['core-graph', 'drivers-file', name]);
    await installPacked(project, new Map(wanted.map((each) => [each, tarballs.get(each) ?? ''])));
    const script = `import { openImage } from '@blk/core-graph';
import { file } from '@blk/drivers-file';
import { ${driver} } from '@blk/${name}';
await using image = await openImage(process.argv[2], { drivers: [file, ${driver}] });
console.log(image.format, (await Promise.all(${READ})).join('|'));`;
    writeFileSync(join(project, 'main.ts'), script);
    await build({ entryPoints: [join(project, 'main.ts')], outfile: join(project, 'main.js'), format: 'esm', target: 'node20', logLevel: 'silent' });
    const { stdout } = succeed(await run(process.execPath, [join(project, 'main.js'), images.get(image) ?? ''], { cwd: project }));
    expect(stdout).toBe(`${driver} ${EXPECTED}\n`);
  });

  test('drivers-vvfat alone makes a disk of a folder', { timeout: 120_000 }, async () => {
    const project = dir.file('alone-vvfat');
    const wanted = withDependencies(['core-graph', 'drivers-vvfat']);
    await installPacked(project, await pack(wanted, dir.file('packed-vvfat')));
    mkdirSync(dir.file('folder'));
    writeFileSync(dir.file('folder/hello.txt'), 'hello, world');
    const script = `import { openImage } from '@blk/core-graph';
import { vvfat } from '@blk/drivers-vvfat';
const image = await openImage({ driver: 'vvfat', dir: process.argv[2] }, { drivers: [vvfat] });
const text = Buffer.from(await image.read(0, 4 << 20)).toString('latin1');
console.log(image.format, text.slice(510, 512) === '\\x55\\xaa', text.includes('HELLO   TXT'), text.includes('hello, world'));
await image.close();`;
    writeFileSync(join(project, 'main.js'), script);
    const { stdout } = succeed(await run(process.execPath, [join(project, 'main.js'), dir.file('folder')], { cwd: project }));
    expect(stdout).toBe('vvfat true true true\n');
  });

  test.skipIf(browser.skip)(browser.title('all of them read a Blob in Chromium'), { timeout: 180_000 }, async () => {
    const project = dir.file('browser');
    await installPacked(project, tarballs);
    const script = `import { openImage } from '@blk/core-graph';
import { blob, blobSource } from '@blk/drivers-blob';
${[...new Set(FORMATS.map((format) => `import { ${format.driver} } from '@blk/${format.package}';`))].join('\n')}
const found: Record<string, string> = {};
for (const [name, driver] of [${FORMATS.map(({ name, driver }) => `['${name}', ${driver}] as const`).join(', ')}]) {
  const source = await (await fetch(name)).blob();
  try {
    await using image = await openImage({ driver: driver.name, file: blobSource(source) }, { drivers: [blob, driver] });
    found[name] = (await Promise.all(${READ})).join('|');
  } catch (error) {
    found[name] = String(error instanceof Error ? error.stack : error);
  }
}
(globalThis as unknown as { done: (value: unknown) => void }).done(found);`;
    const bundle = await build({
      stdin: { contents: wrapped(script), resolveDir: project, loader: 'ts' }, write: false, bundle: true, platform: 'browser', format: 'iife', target: 'es2022', metafile: true, logLevel: 'silent',
    });
    expect(Object.keys(bundle.metafile.inputs).filter((input) => input.startsWith('node:') || /-node\./.test(input))).toEqual([]);
    expect(await runInBrowser(bundle.outputFiles[0].text, images)).toEqual(Object.fromEntries(FORMATS.map(({ name }) => [name, EXPECTED])));
  });
});

/** A classic script waits for nothing at its top: imports stay there, the rest goes into a function. */
function wrapped(script: string): string {
  const lines = script.split('\n');
  const first = lines.findIndex((line) => !line.startsWith('import '));
  return [...lines.slice(0, first), 'void (async () => {', ...lines.slice(first), '})();'].join('\n');
}

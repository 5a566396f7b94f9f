// The example of every package's README runs: the first code block under "## Use", as it stands there.
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, onTestFinished, test } from 'vitest';
import { bochsImage, cloopImage, dmgImage } from '@blk/image-writers';
import { qemuImg, qemuIo, run, skipUnless, startQemuNbd, startSshd, tempDir, type QemuNbd, type TempDir } from '@blk/oracle';

const PACKAGES = join(import.meta.dirname, '../../../packages');
const needs = skipUnless('qemu-img', 'qemu-io');
const needsSsh = skipUnless('sshd', 'ssh-keygen');

describe.skipIf(needs.skip)(needs.title('README examples'), () => {
  test.each(readdirSync(PACKAGES).filter((name) => existsSync(join(PACKAGES, name, 'README.md'))))('@blk/%s', async (name) => {
    if (name === 'drivers-ssh' && needsSsh.skip) return;
    using dir = tempDir();
    await provision(dir);
    const server = name === 'drivers-nbd' ? await exported(dir) : name === 'drivers-ssh' ? await startSshd({ dir: dir.path }) : undefined;
    const env = server !== undefined && 'home' in server ? { HOME: server.home, DISK: `ssh://${server.user}@127.0.0.1:${server.port}${dir.file('disk.raw')}` } : {};
    if (name === 'drivers-luks') await createContainer(dir);
    onTestFinished(async () => { await server?.stop(); });
    const readme = readFileSync(join(PACKAGES, name, 'README.md'), 'utf8');
    const use = /^## Use\n([^]*?)(?=^## )/m.exec(readme)?.[1] ?? '';
    const block = /```(ts|js|sh)\n([^]*?)```/.exec(use);
    expect(block, 'a code block under "## Use"').not.toBeNull();
    const [, language, code] = block as unknown as [string, string, string];
    const shown = /```(?:text|console)\n([^]*?)```/.exec(use)?.[1];
    const result = language === 'sh' ? await shell(code, dir) : await script(code, name, dir, env);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    if (shown !== undefined) expect(result.stdout.trim()).toBe(shown.trim());
  });
});

/** The raw disk as the export `disk` at the socket that the example names. */
function exported(dir: TempDir): Promise<QemuNbd> {
  return startQemuNbd({ file: dir.file('disk.raw'), socket: dir.file('disk.sock'), exportName: 'disk' });
}

/** A container whose passphrase is in the example. By our own tool: the reference cannot make one that is opened quickly. */
async function createContainer(dir: TempDir): Promise<void> {
  const line = 'blk create -q -f luks --object secret,id=sec0,data=letmein -o key-secret=sec0,iter-time=1 disk.luks 64M';
  expect(await shell(line, dir)).toMatchObject({ code: 0 });
}

/** Files that examples may count on: disks in several formats with something in them. */
async function provision(dir: TempDir): Promise<void> {
  for (const [format, file] of [['qcow2', 'disk.qcow2'], ['raw', 'disk.raw'], ['raw', 'disk.img'], ['vdi', 'disk.vdi'], ['vpc', 'disk.vhd'], ['vhdx', 'disk.vhdx'], ['vmdk', 'disk.vmdk'], ['parallels', 'disk.hds'], ['qed', 'disk.qed'], ['qcow', 'disk.qcow']] as const) {
    await qemuImg('create', '-q', '-f', format, dir.file(file), '64M');
    await qemuIo(dir.file(file), ['write -q -P 7 0 64k', 'write -q -P 9 1M 64k'], { format });
  }
  await qemuImg('create', '-q', '-f', 'qcow2', '-b', 'disk.qcow2', '-F', 'qcow2', dir.file('overlay.qcow2'));
  // Formats that no tool here writes.
  const content = new Uint8Array(1 << 20).fill(97, 4096, 8192);
  writeFileSync(dir.file('disk.cloop'), cloopImage(content));
  writeFileSync(dir.file('disk.bochs'), bochsImage(content));
  mkdirSync(dir.file('files'));
  writeFileSync(dir.file('files/hello.txt'), 'hello');
  writeFileSync(dir.file('disk.dmg'), dmgImage([{ chunks: [{ kind: 'zlib', content }] }]));
  // Copies of one disk.
  for (const copy of ['copy.img', 'a.img', 'b.img', 'c.img']) copyFileSync(dir.file('disk.raw'), dir.file(copy));
}

/** Bundles the example beside its package, so that it sees the sources of its siblings, and runs it in `dir`. */
async function script(code: string, name: string, dir: TempDir, env: Readonly<Record<string, string>>): ReturnType<typeof run> {
  const outfile = join(PACKAGES, name, `.example-${process.pid}.mjs`);
  try {
    await build({
      stdin: { contents: code, loader: 'ts', resolveDir: join(PACKAGES, 'cli') },
      outfile, bundle: true, platform: 'node', format: 'esm', target: 'es2022', conditions: ['@blk/source'], logLevel: 'silent',
      external: ['koffi', 'ssh2', 'fs-native-extensions', 'esbuild'],
      banner: { js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);" },
    });
    return await run(process.execPath, [outfile], { cwd: dir.path, env });
  } finally {
    rmSync(outfile, { force: true });
  }
}

/** Runs the lines of a shell example with `blk` on the path. */
async function shell(code: string, dir: TempDir): ReturnType<typeof run> {
  const program = join(PACKAGES, 'cli/dist/blk.js');
  writeFileSync(dir.file('blk'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, { mode: 0o755 });
  return run('sh', ['-eu', '-c', code], { cwd: dir.path, env: { PATH: `${dir.path}:${process.env['PATH'] ?? ''}` } });
}

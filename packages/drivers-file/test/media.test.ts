// Drives whose media people change. There is none here: loop devices stand in, with the drive's own calls answered by the test.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { qemuIo, run, skipUnless, tempDir, type TempDir } from '@blk/oracle';
import { prng } from '@blk/driver-conformance';
import { BlockGraph, type BlockNode, type Medium } from '@blk/core-graph';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fileDrivers, type FileDrivers, type Native } from '../src/index.js';
import { createContext, loopDevice, needNative, titled, withoutLoop } from './support.js';

const loop = withoutLoop();
const tools = skipUnless('qemu-io', 'qemu-img');
const KIB = 1024;
const EBUSY = -16;
const ENOTTY = -25;

/** Requests by their numbers in `linux/cdrom.h` and `linux/fd.h`. */
const NAMES: Readonly<Record<number, string>> = { 0x5309: 'eject', 0x5319: 'close tray', 0x5326: 'status', 0x5329: 'lock', 0x025a: 'eject floppy' };

/** A drive for discs as its calls show it; all else is the device's. */
class FakeDrive {
  disc = true;
  locked = false;
  open = false;
  readonly asked: string[] = [];
  /** Instead of the device's, when set: what the kernel knows of the medium. */
  size: number | undefined;

  native(real: Native): Native {
    return {
      ...real,
      deviceSize: (fd) => this.size ?? real.deviceSize(fd),
      control: async (_fd, request, argument) => this.#control(NAMES[request] ?? '', argument),
    };
  }

  #control(name: string, argument: number): number {
    if (name !== 'status') this.asked.push(name);
    switch (name) {
      case 'status':
        return this.open ? 2 : this.disc ? 4 : 1;
      case 'lock':
        this.locked = argument === 1;
        return 0;
      case 'eject':
        if (this.locked) return EBUSY;
        this.open = true;
        return 0;
      case 'close tray':
        this.open = false;
        return 0;
      case 'eject floppy':
        return 0;
      default:
        return ENOTTY;
    }
  }
}

/** A loop device over random bytes. */
function device(dir: TempDir, size: number, ...options: string[]): { readonly path: string; readonly content: Uint8Array } {
  const content = prng(size).bytes(size);
  writeFileSync(dir.file('medium'), content);
  const made = loopDevice(dir.file('medium'), ...options);
  onTestFinished(() => { made[Symbol.dispose](); });
  return { path: made.path, content };
}

function graphOf({ file, hostDevice, hostCdrom, hostFloppy }: FileDrivers): BlockGraph {
  const graph = new BlockGraph({ drivers: [file, hostDevice, hostCdrom, hostFloppy] });
  onTestFinished(() => graph.close());
  return graph;
}

async function inDrive(drive: FakeDrive, path: string, driver = 'host_cdrom'): Promise<BlockNode> {
  const native = drive.native(await needNative());
  return graphOf(fileDrivers({ native: async () => native })).open({ driver, filename: path }, { readOnly: true });
}

const mediumOf = (node: BlockNode): Medium => node.driver.medium as Medium;
const read = async (node: BlockNode, offset = 0, length = 512): Promise<Uint8Array> => {
  const buffer = new Uint8Array(length);
  await node.read(offset, buffer, 0, length);
  return buffer;
};

describe.skipIf(loop !== '')(titled('a drive', loop), () => {
  it('has the size and the bytes of what is in it', async () => {
    using dir = tempDir();
    const { path, content } = device(dir, 64 * KIB);
    const node = await inDrive(new FakeDrive(), path);
    expect([node.size, mediumOf(node).inserted]).toEqual([64 * KIB, true]);
    expect(await read(node, 4096, 4096)).toEqual(content.slice(4096, 8192));
  });

  it('can be opened empty, refuses requests, and serves when a disc was put in', async () => {
    using dir = tempDir();
    const { path, content } = device(dir, 64 * KIB);
    const drive = new FakeDrive();
    drive.disc = false;
    const node = await inDrive(drive, path);
    expect(mediumOf(node).inserted).toBe(false);
    await expect(read(node)).rejects.toMatchObject({ kind: 'no-medium', message: `Could not read '${path}': No medium found` });
    drive.disc = true;
    expect(await read(node)).toEqual(content.slice(0, 512));
  });

  it('takes a vanished end for what it is, and not for zeroes', async () => {
    using dir = tempDir();
    const { path } = device(dir, 64 * KIB);
    const drive = new FakeDrive();
    const node = await inDrive(drive, path);
    drive.size = 0;
    drive.disc = false;
    await expect(read(node, 8192)).rejects.toMatchObject({ kind: 'no-medium' });
    expect([node.size, mediumOf(node).inserted]).toEqual([0, false]);
  });

  it('takes another disc, of another size', async () => {
    using dir = tempDir();
    const { path } = device(dir, 64 * KIB);
    const drive = new FakeDrive();
    const node = await inDrive(drive, path);
    await mediumOf(node).moveTray(true);
    expect(mediumOf(node).inserted).toBe(false);
    await expect(read(node)).rejects.toMatchObject({ kind: 'no-medium' });
    const other = prng(5).bytes(96 * KIB);
    writeFileSync(dir.file('medium'), other);
    execFileSync('losetup', ['--set-capacity', path]);
    await mediumOf(node).moveTray(false);
    expect(node.size).toBe(96 * KIB);
    expect(await read(node, 80 * KIB)).toEqual(other.slice(80 * KIB, 80 * KIB + 512));
    expect(drive.asked).toEqual(['eject', 'close tray']);
  });

  it('gives nothing out while it is locked', async () => {
    using dir = tempDir();
    const { path } = device(dir, 64 * KIB);
    const drive = new FakeDrive();
    const node = await inDrive(drive, path);
    await mediumOf(node).lock(true);
    await expect(mediumOf(node).moveTray(true)).rejects.toMatchObject({ kind: 'busy', message: `Could not open the tray of '${path}': Device or resource busy` });
    expect(mediumOf(node).inserted).toBe(true);
    await mediumOf(node).lock(false);
    await mediumOf(node).moveTray(true);
    expect(drive.asked).toEqual(['lock', 'eject', 'lock', 'eject']);
  });

  it('for floppy disks is asked in its own way, and knows a disk by opening it', async () => {
    using dir = tempDir();
    const { path, content } = device(dir, 64 * KIB);
    const drive = new FakeDrive();
    const node = await inDrive(drive, path, 'host_floppy');
    expect(await read(node)).toEqual(content.slice(0, 512));
    await mediumOf(node).lock(true);
    await mediumOf(node).moveTray(true);
    expect(drive.asked).toEqual(['eject floppy']);
  });

  it('that is read-only is not written', async () => {
    using dir = tempDir();
    const { path } = device(dir, 64 * KIB, '--read-only');
    const graph = graphOf(fileDrivers());
    for (const driver of ['host_cdrom', 'host_floppy']) {
      await expect(graph.open({ driver, filename: path })).rejects.toMatchObject({ kind: 'permission', message: 'The device is not writable: Permission denied' });
      const node = await graph.open({ driver, filename: path, 'auto-read-only': true });
      expect(node.readOnly).toBe(true);
    }
  });

  it('without the native helper is read as the kernel gives it, and left alone', async () => {
    using dir = tempDir();
    const { path, content } = device(dir, 64 * KIB);
    const node = await graphOf(fileDrivers({ native: false })).open({ driver: 'host_cdrom', filename: path }, { readOnly: true });
    expect(await read(node)).toEqual(content.slice(0, 512));
    await expect(mediumOf(node).moveTray(true)).rejects.toMatchObject({ kind: 'unsupported' });
    await expect(mediumOf(node).lock(true)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it.skipIf(tools.skip)(tools.title('is none on a device that is no drive, which the reference finds as well'), async () => {
    using dir = tempDir();
    const { path } = device(dir, 64 * KIB);
    const { hostCdrom, ...others } = fileDrivers();
    const graph = graphOf({ hostCdrom, ...others });
    const node = await graph.open({ driver: 'host_cdrom', filename: path });
    await expect(read(node)).rejects.toMatchObject({ kind: 'no-medium' });
    await expect(async () => node.write(0, new Uint8Array(512), 0, 512, 0)).rejects.toMatchObject({ kind: 'no-medium' });
    await expect(mediumOf(node).moveTray(true)).rejects.toThrow('Could not open the tray of');
    await expect(hostCdrom.createFile?.(path, { size: 512 }, createContext())).rejects.toMatchObject({ kind: 'no-medium', message: 'No medium inserted' });
    expect((await run('qemu-io', ['-r', '-f', 'host_cdrom', '-c', 'read 0 512', path])).stdout).toContain('read failed: No medium found');
    expect((await run('qemu-img', ['create', '-f', 'raw', `host_cdrom:${path}`, '512'])).stderr).toContain('No medium inserted');
    expect((await qemuIo(path, ['read 0 512'], { format: 'raw' })).code).toBe(0);
  });

  it('is found by its number, or by its name', async () => {
    using dir = tempDir();
    execFileSync('mknod', [dir.file('disc'), 'b', '11', '99']);
    execFileSync('mknod', [dir.file('floppy'), 'b', '2', '99']);
    const { path } = device(dir, 64 * KIB);
    const { file, hostDevice, hostCdrom, hostFloppy } = fileDrivers();
    const best = async (name: string): Promise<string | undefined> => {
      const scores = await Promise.all([file, hostDevice, hostCdrom, hostFloppy].map(async (driver) => [driver.name, (await driver.probePath?.(name)) ?? 0] as const));
      return scores.sort(([, a], [, b]) => b - a)[0]?.[0];
    };
    expect(await Promise.all([dir.file('disc'), dir.file('floppy'), path, dir.file('medium'), dir.file('none')].map(best))).toEqual(['host_cdrom', 'host_floppy', 'host_device', 'file', 'file']);
    await expect(graphOf(fileDrivers()).open(dir.file('disc'), { format: 'host_cdrom', readOnly: true })).rejects.toThrow(`Could not open '${dir.file('disc')}': `);
  });
});

describe('names', () => {
  it('are taken without their scheme, and mean devices only', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('regular'), '');
    const graph = graphOf(fileDrivers());
    for (const driver of ['host_cdrom', 'host_floppy']) {
      await expect(graph.open(`${driver}:${dir.file('regular')}`, { format: driver })).rejects.toThrow(
        `'${driver}' driver requires '${dir.file('regular')}' to be either a character or block device`,
      );
      await expect(graph.open(`${driver}:${dir.file('none')}`, { format: driver })).rejects.toMatchObject({ kind: 'not-found' });
    }
  });
});

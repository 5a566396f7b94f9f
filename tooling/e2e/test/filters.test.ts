/**
 * The contract of drivers over every writable format under the filters whose own packages know no formats, and of every filter over a directory that
 * is a disk. blkdebug, blkverify and quorum over formats that lie in files are tried in their packages.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { defineDriver, type BlockDriver, type Definition } from '@blk/core-graph';
import { driverConformance, inMemory, MemoryDisk, MemoryDisks, slow, type Provider } from '@blk/driver-conformance';
import { blkdebug } from '@blk/drivers-blkdebug';
import { blkverify } from '@blk/drivers-blkverify';
import { copyOnRead } from '@blk/drivers-copy-on-read';
import { parallels } from '@blk/drivers-parallels';
import { qcow } from '@blk/drivers-qcow';
import { qcow2 } from '@blk/drivers-qcow2';
import { qed } from '@blk/drivers-qed';
import { quorum } from '@blk/drivers-quorum';
import { raw } from '@blk/drivers-raw';
import { throttle } from '@blk/drivers-throttle';
import { vdi } from '@blk/drivers-vdi';
import { vhdx } from '@blk/drivers-vhdx';
import { vmdk } from '@blk/drivers-vmdk';
import { vpc } from '@blk/drivers-vpc';
import { vvfat } from '@blk/drivers-vvfat';
import { tempDir } from '@blk/oracle';
import { UNLIMITED } from '@blk/throttle';

interface Filter {
  readonly driver: BlockDriver;
  /** The filter over an image; `copies`: disks of the same size, full of zeroes. */
  readonly over: (image: Definition, copies: readonly Definition[]) => Definition;
}

/** The driver, with its group made before it is opened: the suite makes graphs of its own. */
const grouped = defineDriver({
  ...throttle,
  open: (options, context) => {
    if (context.throttling.made('g') === undefined) context.throttling.make('g', { ...UNLIMITED, 'bps-total': 4e9 });
    return throttle.open(options as Record<string, unknown>, context);
  },
});

const PLAIN: readonly Filter[] = [
  { driver: copyOnRead, over: (image) => ({ driver: 'copy-on-read', file: image }) },
  { driver: grouped, over: (image) => ({ driver: 'throttle', 'throttle-group': 'g', file: image }) },
];
const ALL: readonly Filter[] = [
  ...PLAIN,
  { driver: blkdebug, over: (image) => ({ driver: 'blkdebug', image }) },
  { driver: blkverify, over: (test, [copy]) => ({ driver: 'blkverify', test, raw: copy }) },
  { driver: quorum, over: (image, copies) => ({ driver: 'quorum', 'vote-threshold': 2, children: [image, ...copies] }) },
];

/** Options of creation, and a size that it can have. */
const FORMATS: readonly (readonly [BlockDriver, Record<string, unknown>, number])[] = [
  [raw, {}, 1_312_256],
  [qcow2, {}, 1_312_256],
  [qcow, {}, 1_312_256],
  [qed, {}, 1_312_256],
  [vmdk, {}, 1_312_256],
  [vdi, {}, 3_148_288],
  [vpc, { force_size: true }, 1_312_256],
  [vhdx, { block_size: 1 << 20 }, 2_500_096],
  [parallels, {}, 3_148_288],
];

function under({ driver, over }: Filter, format: BlockDriver, create: Record<string, unknown>): Provider {
  const provide = inMemory(format, { create, drivers: [driver] });
  return async (request) => {
    const { definition, ...rest } = await provide(request);
    return { ...rest, definition: over({ discard: 'unmap', ...definition }, []) };
  };
}

/** Where the first cluster of a floppy disk of 1.44 MB begins, which is that of the only file. */
const DATA = 512 + 2 * 9 * 512 + 224 * 32;

/** The content of a file in the directory, through the filter. */
function directory({ driver, over }: Filter): Provider {
  return ({ size, seed, asynchronous }) => {
    const dir = tempDir();
    mkdirSync(dir.file('d'));
    writeFileSync(dir.file('d/CONTENT'), new Uint8Array(size));
    const file = { driver: 'vvfat', dir: dir.file('d'), 'fat-type': 12, floppy: true, rw: true, 'read-only': false };
    const copies = [1, 2].map((number) => {
      const disk = new MemoryDisk({ content: new Uint8Array(size) });
      if (asynchronous) disk.use(slow(seed + number));
      return disk.definition;
    });
    return Promise.resolve({
      drivers: [vvfat, raw, new MemoryDisks().driver, driver],
      definition: over({ driver: 'raw', offset: DATA, size, file }, copies),
      dispose: () => { rmSync(dir.path, { recursive: true, force: true }); },
    });
  };
}

for (const filter of PLAIN) {
  for (const [format, create, size] of FORMATS) {
    driverConformance({ name: `${filter.driver.name} over ${format.name}`, asynchronous: true, histories: 1, steps: 18, size, provision: under(filter, format, create) });
  }
}
for (const filter of ALL) driverConformance({ name: `${filter.driver.name} over a directory (vvfat)`, histories: 1, steps: 18, provision: directory(filter) });

/** A format of two levels as small as can be: the size in the first sector, the root behind it. */
import { BlockError, defineDriver } from '@blk/core-graph';
import { mappedNode, MappedImage, Place, RootTable, settled, SpaceAtEnd, Tables, type EntryCodec } from '../src/index.js';

const ROOT = 512;
const codec: EntryCodec = {
  bytes: 8,
  littleEndian: true,
  decode: (low, high) => {
    if (low === 1) return Place.Zero;
    if (low % 2 === 1) throw new BlockError('invalid-image', `No cluster can be at ${low}`);
    return low + high === 0 ? Place.Hole : high * 2 ** 32 + low;
  },
  encode: (place) => (place === Place.Zero ? 1 : place),
};

/** `entries` of each table; `budget` in bytes. */
export function toy(clusterSize: number, entries: number, budget?: number): ReturnType<typeof defineDriver> {
  return defineDriver<{ readonly file: unknown; readonly backing?: unknown }>({
    name: 'toy',
    role: 'format',
    options: {},
    children: { file: 'required' },
    backing: true,
    async open(options, context) {
      const file = await context.child('file', options.file, 'storage');
      const head = new DataView(new ArrayBuffer(8));
      await settled(file.read(0, new Uint8Array(head.buffer), 0, 8));
      const size = head.getUint32(0, true);
      const tables = Math.ceil(size / clusterSize / entries);
      const root = await RootTable.load(file, ROOT, tables, codec, 1 << 20);
      const image = new MappedImage({
        driver: 'toy', file, size, clusterSize, zeroEntries: true, readOnly: context.readOnly, space: new SpaceAtEnd(file, clusterSize, ROOT + tables * 8),
        tables: new Tables(file, { driver: 'toy', codec, entries, root, ...(budget === undefined ? {} : { budget }) }),
      });
      return mappedNode(image, {});
    },
    create: async (file, { size }) => {
      const head = new DataView(new ArrayBuffer(8));
      head.setUint32(0, size, true);
      await settled(file.write(0, new Uint8Array(head.buffer), 0, 8));
      await settled(file.writeZeroes(8, ROOT - 8 + Math.ceil(size / clusterSize / entries) * 8));
    },
  });
}

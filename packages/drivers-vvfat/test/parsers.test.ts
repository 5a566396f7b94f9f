// Whatever bytes a guest leaves where tables and folders are: entries, chains, or a clear error; and the sets of sectors behind them.
import { BlockError } from '@blk/core-graph';
import { prng } from '@blk/oracle';
import fc from 'fast-check';
import { layOut, type Layout } from '../src/layout.js';
import { Budget, type FolderNode } from '../src/tree.js';
import { describe, expect, test } from 'vitest';
import { ClusterMap } from '../src/cluster-map.js';
import { EntryWriter } from '../src/fat/entries.js';
import { nameDefect, ShortNames } from '../src/fat/names.js';
import { shapeFor } from '../src/fat/shape.js';
import { fillTable } from '../src/fat/tables.js';
import { Chains } from '../src/guest/chains.js';
import { parseFolder } from '../src/guest/folder-entries.js';
import { SectorSet } from '../src/sector-set.js';

const SETTINGS = { seed: 9, numRuns: 200 };
const TYPES = [{ fatType: 12, floppy: true }, { fatType: 16, floppy: true }, { fatType: 32, floppy: false }] as const;
const shapeOf = (kind: (typeof TYPES)[number]): ReturnType<typeof shapeFor> => shapeFor(kind, { rootSlots: 1, clusters: () => 1 });

describe('folders', () => {
  test('any bytes give entries', () => {
    const slot = fc.uint8Array({ minLength: 32, maxLength: 32 });
    const long = slot.map((bytes) => { bytes[11] = 15; return bytes; });
    fc.assert(fc.property(fc.array(fc.oneof(slot, long), { maxLength: 40 }), (slots) => {
      const entries = [...parseFolder(Buffer.concat(slots))];
      expect(entries.length).toBeLessThanOrEqual(slots.length);
    }), SETTINGS);
  });

  test('what is written is read, with every name', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }).filter((text) => nameDefect(text) === undefined);
    fc.assert(fc.property(name, fc.nat(0xffffffff), fc.nat(0x0fffffff), (text, size, firstCluster) => {
      const bytes = new Uint8Array(32 * 40);
      new EntryWriter(bytes).entry({ name: text, alias: new ShortNames().alias(text), attributes: 32, firstCluster, size, modified: { date: 0x5a21, time: 0x1234 } });
      expect([...parseFolder(bytes)]).toEqual([{ name: text, folder: false, firstCluster, size, modified: { date: 0x5a21, time: 0x1234 } }]);
    }), SETTINGS);
  });

  test('a long name that belongs to another short one is passed over', () => {
    const bytes = new Uint8Array(96);
    new EntryWriter(bytes).entry({ name: 'long name', alias: 'LONGNA~1', attributes: 32, firstCluster: 0, size: 0, modified: { date: 0x21, time: 0 } });
    bytes[32] = 0x4d;
    expect([...parseFolder(bytes)].map(({ name }) => name)).toEqual(['MONGNA~1']);
    // Small letters by Windows NT's flags; a first byte E5 is written as 05, which is σ in code page 437.
    bytes.set([0x05, 0x80], 32);
    bytes[44] = 0x08;
    expect([...parseFolder(bytes)].map(({ name }) => name)).toEqual(['σçngna~1']);
  });
});

describe('tables', () => {
  test.each(TYPES)('any bytes give chains that end, or an error: FAT$fatType', (kind) => {
    const shape = shapeOf(kind);
    const random = prng(4);
    for (let round = 0; round < 40; round++) {
      const table = random.bytes(shape.fatSectors * 512);
      // Links that stay on the disk make long chains.
      if (kind.fatType !== 12) for (let at = kind.fatType / 8 - 1; at < table.length; at += kind.fatType / 8) table[at] = kind.fatType === 16 ? random.below(shape.clusters >> 8) : 0;
      const chains = new Chains(shape, table);
      let claimed = 0;
      for (let file = 0; file < 50; file++) {
        try {
          claimed += chains.claim(random.below(shape.clusters + 4), 'file').reduce((sum, run) => sum + run.count, 0);
        } catch (error) {
          expect(error).toBeInstanceOf(BlockError);
        }
      }
      expect(claimed).toBeLessThanOrEqual(shape.clusters);
    }
  });

  test.each(TYPES)('what is written is read, in any parts: FAT$fatType', (kind) => {
    const shape = shapeOf(kind);
    const ends = Uint32Array.of(2, 9, 10, 400, 1000);
    const table = new Uint8Array(shape.fatSectors * 512);
    for (let at = 0; at < table.length; ) {
      const length = Math.min(512 * (1 + (at % 3)), table.length - at);
      fillTable(shape, { ends, usedClusters: 999 }, at, table, at, length);
      at += length;
    }
    const chains = new Chains(shape, table);
    for (const [first, count] of [[2, 1], [3, 7], [10, 1], [11, 390], [401, 600]] as const) expect(chains.claim(first, 'file')).toEqual([{ first, count }]);
    expect(chains.isFree(1001)).toBe(true);
    expect(chains.isFree(1000)).toBe(false);
  });
});

test('a set of sectors is a set', () => {
  const step = fc.record({ add: fc.boolean(), first: fc.oneof(fc.nat(200), fc.integer({ min: 32_700, max: 32_900 })), count: fc.oneof(fc.nat(50), fc.constant(33_000)) });
  fc.assert(fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
    const set = new SectorSet();
    const model = new Uint8Array(70_000);
    for (const { add, first, count } of steps) {
      if (add) set.add(first, count);
      else set.delete(first, count);
      model.fill(add ? 1 : 0, first, first + count);
    }
    for (let at = 0; at < model.length; ) {
      const value = model[at];
      let end = model.indexOf(value === 1 ? 0 : 1, at);
      if (end < 0) end = model.length;
      expect(set.has(at)).toBe(value === 1);
      expect(set.run(at, model.length - at)).toBe(end - at);
      expect(set.any(at, end - at)).toBe(value === 1);
      at = end;
    }
  }), { ...SETTINGS, numRuns: 60 });
});

test('a root directory with a place of its own has at most as many entries as its count can tell', () => {
  const label = new Uint8Array(11).fill(65);
  const identity = { dev: 1, ino: 1, size: 0, mtimeSec: 0, mtimeNsec: 0, ctimeSec: 0, ctimeNsec: 0 };
  for (const [files, fatType, why] of [[65519, 16, undefined], [65520, 16, /The directory itself has more entries/], [65520, 32, undefined]] as const) {
    const root: FolderNode = { kind: 'folder', name: '', parent: undefined, identity: 'x', modified: { date: 0x21, time: 0 }, children: new Map(), firstCluster: 0 };
    for (let index = 0; index < files; index++) {
      root.children.set(`F${index}`, { kind: 'file', name: `F${index}`, parent: root, identity, size: 0, modified: root.modified, chain: [] });
    }
    const lay = (): Layout => layOut(root, { label, floppy: false, fatType }, new Budget(Infinity));
    if (why !== undefined) expect(lay).toThrow(why);
    else expect(lay().shape.rootEntries).toBe(fatType === 16 ? 65520 : 0);
  }
});

test('a disk has as many clusters as its type may have, however long its root directory is', () => {
  for (const floppy of [false, true]) {
    for (const fatType of [undefined, 12, 16, 32] as const) {
      if (floppy && fatType === 32) continue;
      for (let rootSlots = 1; rootSlots <= 65520; rootSlots += 97) {
        let clusters: number;
        try {
          ({ clusters } = shapeFor({ floppy, fatType }, { rootSlots, clusters: () => 1 }));
        } catch (error) {
          // A floppy disk that is all root directory, or would be taken for one of FAT12.
          expect(floppy ? rootSlots : 0).toBeGreaterThan(20_000);
          expect(error).toMatchObject({ kind: 'too-large' });
          continue;
        }
        expect(clusters < 4085 ? 12 : clusters < 65525 ? 16 : 32).toBe(fatType ?? (floppy ? 12 : 16));
      }
    }
  }
});

test('the owner of a cluster is found in any order of asking', () => {
  const runs = fc.array(fc.record({ gap: fc.nat(2), count: fc.integer({ min: 1, max: 3 }) }), { maxLength: 8 });
  fc.assert(fc.property(runs, fc.array(fc.nat(50), { maxLength: 40 }), (lengths, questions) => {
    let first = 2;
    const pieces = lengths.map(({ gap, count }, owner) => {
      const piece = { first: first + gap, count, owner, index: 0 };
      first += gap + count;
      return piece;
    });
    const map = new ClusterMap(pieces);
    for (const cluster of questions) {
      expect(map.find(cluster)).toBe(pieces.find((piece) => cluster >= piece.first && cluster < piece.first + piece.count));
      expect(map.nextFrom(cluster)).toBe(pieces.find((piece) => piece.first > cluster)?.first ?? Infinity);
    }
  }), SETTINGS);
});

/** Whatever comes in through a name or a definition gives a value or a `BlockError`, and nothing stays open. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BlockError, BlockGraph, checkOption, normalisePath, parseSize, protocolOf, resolveReference, unflatten } from '../src/index.js';
import { parseJsonName } from '../src/open/filename.js';
import { cow, MemFile, MemFiles, plain } from './support.js';

function valueOrBlockError(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(BlockError);
  }
}

const key = fc.oneof(fc.constantFrom('driver', 'file', 'filename', 'backing', 'node-name', 'read-only', 'cache', 'cache.direct', 'discard', '__proto__', 'file.driver', 'file.filename', 'copy-on-read'), fc.string());
const value = fc.letrec((tie) => ({
  leaf: fc.oneof(fc.constantFrom('cow', 'plain', 'mem', 'x', 'mem:x', 'on', 'off', 'unmap', true, false, null, 0, -1, 2 ** 53), fc.string(), fc.double(), fc.jsonValue({ maxDepth: 1 })),
  node: fc.dictionary(key, tie('any'), { maxKeys: 5 }),
  any: fc.oneof({ weight: 2, arbitrary: tie('leaf') }, tie('node')),
}));

describe('any input', () => {
  it('through the parsers', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), fc.string(), fc.anything({ withBigInt: true }), (a, b, thing) => {
        valueOrBlockError(() => parseSize('x', a));
        valueOrBlockError(() => protocolOf(a));
        valueOrBlockError(() => normalisePath(a));
        valueOrBlockError(() => resolveReference(a, b));
        valueOrBlockError(() => parseJsonName(`json:${a}`));
        for (const type of ['string', 'int', 'uint', 'size', 'bool', 'any', ['a', 'b']] as const) valueOrBlockError(() => checkOption('x', thing, type));
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('through dotted options', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(key, fc.array(key, { maxLength: 4 }).map((parts) => parts.join('.'))), value.any), (options) => {
        valueOrBlockError(() => unflatten(options));
        expect(Object.hasOwn(Object.prototype, 'driver')).toBe(false);
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it('through opening', async () => {
    const files = new MemFiles();
    files.put('x', new MemFile(10_000));
    let opened = 0;
    await fc.assert(
      fc.asyncProperty(fc.dictionary(key, value.any, { maxKeys: 6 }), fc.option(fc.constantFrom('mem:x', 'x', 'json:{}', 'json:{"driver":"plain"}')), async (options, name) => {
        const graph = new BlockGraph({ drivers: [files.driver, cow, plain] });
        try {
          await graph.open(name ?? options, name === null ? {} : options);
          opened++;
        } catch (error) {
          expect(error).toBeInstanceOf(BlockError);
        }
        await graph.close();
        expect([...graph.nodes]).toEqual([]);
        expect(files.get('x').opened).toBe(0);
      }),
      { seed: 3, numRuns: 800 },
    );
    // Neither all refused nor all taken.
    expect(opened).toBeGreaterThan(50);
    expect(opened).toBeLessThan(750);
  });
});

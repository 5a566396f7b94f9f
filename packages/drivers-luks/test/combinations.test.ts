/** Every cipher with every mode and every kind of vectors, and every hash, beside the reference: it reads what is written here, and the other way round. */
import { expectSameBytes, prng } from '@blk/driver-conformance';
import { skipUnless, tempDir } from '@blk/oracle';
import { HASH_NAMES } from '@blk/crypto';
import { describe, expect, test } from 'vitest';
import { Bench, load, readAll, save, theirIo } from './support.js';

const oracle = skipUnless('qemu-io');
const SIZE = 96 * 1024;
const ALGORITHMS = ['aes-128', 'aes-192', 'aes-256'];
const MODES = ['xts', 'cbc', 'ecb', 'ctr'];
const VECTORS = ['plain', 'plain64', 'essiv:sha256', 'essiv:md5'];
const ESSIV_KEYS = ['md5', 'sha256'];

const combinations = ALGORITHMS.flatMap((algorithm) =>
  MODES.flatMap((mode) => VECTORS.map((vectors) => ({ algorithm, mode, vectors }))),
  // The reference stops with a failed assertion where key material is no multiple of sectors.
).filter(({ algorithm, mode }) => algorithm !== 'aes-192' || mode === 'xts');

function optionsOf({ algorithm, mode, vectors }: (typeof combinations)[number], hash: string): Record<string, string> {
  const [ivgen, ivHash] = vectors.split(':');
  return { 'cipher-alg': algorithm, 'cipher-mode': mode, 'ivgen-alg': ivgen, 'hash-alg': hash, ...(ivHash === undefined ? {} : { 'ivgen-hash-alg': ivHash }) };
}

/** Writes here, reads and writes there, reads here. */
async function bothWays(options: Record<string, string>): Promise<void> {
  using dir = tempDir();
  const file = dir.file('disk');
  const bench = new Bench();
  const disk = await bench.create(SIZE, options);
  const random = prng(SIZE);
  const [first, second, third] = [1, 2, 3].map(() => 1 + random.below(255));
  const model = new Uint8Array(SIZE).fill(first).fill(second, 5 * 512, 40 * 1024);
  const node = await bench.open(disk);
  await node.write(0, model, 0, SIZE);
  await bench.graph.release(node);
  save(disk, file);
  const said = await theirIo(file, [
    `read -P ${first} 0 2560`, `read -P ${second} 2560 ${40 * 1024 - 2560}`, `read -P ${first} 40k ${SIZE - 40 * 1024}`, `write -P ${third} 1000 7k`, `write -P ${third} 80k 512`,
  ]);
  expect(said).not.toMatch(/failed|rror|Could not/);
  expect(said.match(/^(read|wrote)/gm)).toHaveLength(5);
  model.fill(third, 1000, 1000 + 7 * 1024).fill(third, 80 * 1024, 80 * 1024 + 512);
  const again = await bench.open(load(file));
  expectSameBytes(await readAll(again), model);
  await bench.graph.release(again);
}

describe.skipIf(oracle.skip)(oracle.title('combinations both ways'), () => {
  test.each(combinations.map((wish, index) => ({ ...wish, hash: HASH_NAMES[index % HASH_NAMES.length] })))(
    '$algorithm, $mode, $vectors, $hash',
    async ({ hash, ...wish }) => {
      await bothWays(optionsOf(wish, hash));
    },
  );

  test.each(HASH_NAMES)('%s for keys, and for vectors that do not need one', async (hash) => {
    await bothWays({ 'hash-alg': hash, 'ivgen-alg': 'plain64', 'ivgen-hash-alg': hash });
  });

  test.each(HASH_NAMES.filter((hash) => !ESSIV_KEYS.includes(hash)))('essiv with %s is refused, as no key of AES is as long', async (hash) => {
    await expect(new Bench().create(SIZE, { 'ivgen-alg': 'essiv', 'ivgen-hash-alg': hash })).rejects.toThrow(/^No AES cipher with key size \d+ available$/);
  });

  test.each(['serpent-128', 'serpent-192', 'serpent-256', 'twofish-128', 'twofish-192', 'twofish-256', 'cast5-128', 'des', '3des'])('%s is refused by name', async (algorithm) => {
    await expect(new Bench().create(SIZE, { 'cipher-alg': algorithm })).rejects.toThrow(`Algorithm '${algorithm}' not supported`);
  });
});

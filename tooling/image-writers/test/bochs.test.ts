/** What is made is read by the program that belongs to the format. */
import { readFileSync, writeFileSync } from 'node:fs';
import { expectContent, needTool, prng, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { bochsImage } from '../src/index.js';

const tool = skipUnless('bximage', 'qemu-img');
/** What a disk of Bochs is a multiple of: a cylinder. */
const CYLINDER = 16 * 63 * 512;

describe.skipIf(tool.skip)(tool.title('growing disks, read by bximage'), () => {
  test.each([{ version: 2 }, { version: 2, extentSize: 65536, order: (extents: readonly number[]) => [...extents].reverse() }] as const)('%o', async (options) => {
    using dir = tempDir();
    const content = sample();
    writeFileSync(dir.file('image'), bochsImage(content, options));
    expect(await run(needTool('bximage'), ['-q', '-func=convert', '-imgmode=flat', dir.file('image'), dir.file('content')])).toMatchObject({ code: 0 });
    expect(Buffer.compare(readFileSync(dir.file('content')), content)).toBe(0);
  });

  test('of version 1, which bximage does not know any more, by qemu-img', async () => {
    using dir = tempDir();
    writeFileSync(dir.file('image'), bochsImage(sample(), { version: 1 }));
    await expectContent(dir.file('image'), 'bochs', sample());
  });
});

function sample(): Buffer {
  const content = Buffer.alloc(CYLINDER * 4);
  content.set(prng(1).bytes(200_000), 300_000);
  content.fill(7, CYLINDER * 2, CYLINDER * 2 + 20_000);
  return content;
}

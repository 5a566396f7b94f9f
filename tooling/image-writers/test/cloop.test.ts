/** What is made is read by the program that belongs to the format. */
import { readFileSync, writeFileSync } from 'node:fs';
import { needTool, prng, run, skipUnless, tempDir } from '@blk/oracle';
import { describe, expect, test } from 'vitest';
import { cloopImage } from '../src/index.js';

const tool = skipUnless('extract_compressed_fs');

describe.skipIf(tool.skip)(tool.title('cloop, read by extract_compressed_fs'), () => {
  test.each([4096, 65024, 65536, 1 << 20])('blocks of %i bytes', async (blockSize) => {
    using dir = tempDir();
    const content = Buffer.alloc(blockSize * 20, 'abc');
    // Noise first, and many blocks: the program divides by kilobytes read and by shares of the blocks, for its progress.
    content.set(prng(blockSize).bytes(blockSize * 2));
    writeFileSync(dir.file('image'), cloopImage(content, { blockSize }));
    expect(await run(needTool('extract_compressed_fs'), [dir.file('image'), dir.file('content')])).toMatchObject({ code: 0 });
    expect(Buffer.compare(readFileSync(dir.file('content')), content)).toBe(0);
  });
});

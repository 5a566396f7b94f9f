import { expect, test } from 'vitest';
import { openImage, NO_LIMITS, defineDriver, type DriverNode } from '../src/index.js';

const mem = defineDriver<{ size: number }>({
  name: 'mem', role: 'protocol', options: { size: { type: 'size', required: true } },
  async open({ size }) {
    const bytes = new Uint8Array(size);
    return {
      size, limits: NO_LIMITS,
      read: (offset, buffer, start, length) => { buffer.set(bytes.subarray(offset, offset + length), start); },
      write: (offset, buffer, start, length) => { bytes.set(buffer.subarray(start, start + length), offset); },
      close: async () => undefined,
    } satisfies DriverNode;
  },
});
test('open, write, read', async () => {
  await using image = await openImage({ driver: 'mem', size: '1M' }, { drivers: [mem], writable: true });
  await image.write(5, new Uint8Array([1, 2, 3]));
  expect(await image.read(4, 5)).toEqual(new Uint8Array([0, 1, 2, 3, 0]));
  await expect(image.read(1048575, 2)).rejects.toThrow(/not within/);
});

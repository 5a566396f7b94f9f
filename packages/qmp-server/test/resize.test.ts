// A disk that grows and shrinks while its guest writes.
import { describe, expect, test } from 'vitest';
import { prng, qemuImg, skipUnless, tempDir } from '@blk/oracle';
import { attach, testServer } from './support.js';

const needs = skipUnless('qemu-img');

describe.skipIf(needs.skip)(needs.title('block_resize under load'), () => {
  test('what was written stays, grown parts read as zeroes, and no request is torn by a change of size', async () => {
    using dir = tempDir();
    const MIB = 1 << 20;
    const SMALLEST = 2 * MIB;
    const server = await testServer();
    const client = await attach(server).negotiate();
    await server.graph.create(dir.file('x'), { format: 'qcow2', size: SMALLEST, options: { cluster_size: 4096 } });
    const device = await server.addDevice('d', { driver: 'qcow2', file: { driver: 'file', filename: dir.file('x') } });
    const model = Buffer.alloc(SMALLEST);
    const random = prng(7);
    let stopped = false;
    let done = 0;
    // Every lane has places of its own, so the model always knows.
    const lane = async (number: number): Promise<void> => {
      const buffer = new Uint8Array(5000);
      while (!stopped) {
        const offset = (random.below(SMALLEST / 8192 / 4) * 4 + number) * 8192 + random.below(3192);
        random.fill(Buffer.from(buffer.buffer));
        await device.write(offset, buffer, 0, buffer.length);
        model.set(buffer, offset);
        const back = new Uint8Array(buffer.length);
        await device.read(offset, back, 0, back.length);
        if (Buffer.compare(back, buffer) !== 0) throw new Error(`wrong bytes at ${offset}`);
        done++;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const lanes = [0, 1, 2, 3].map((number) => lane(number));
    let size = SMALLEST;
    for (let step = 0; step < 40; step++) {
      const before = done;
      size = SMALLEST + random.below(6 * MIB / 512) * 512;
      await client.execute('block_resize', { device: 'd', size });
      expect(await client.execute('query-block')).toMatchObject([{ device: 'd', inserted: { image: { 'virtual-size': size } } }]);
      while (done < before + 4) await Promise.race([...lanes, new Promise((resolve) => setImmediate(resolve))]);
    }
    stopped = true;
    await Promise.all(lanes);
    const whole = new Uint8Array(size);
    await device.read(0, whole, 0, size);
    expect(Buffer.compare(whole.subarray(0, SMALLEST), model)).toBe(0);
    expect(whole.subarray(SMALLEST).every((byte) => byte === 0)).toBe(true);
    await server.close();
    expect(await qemuImg('check', dir.file('x'))).toMatchObject({ code: 0 });
  });
});

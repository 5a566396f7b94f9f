import { BlockGraph, openImage, type Host } from '@blk/core-graph';
import { runReadmeExample } from '@blk/driver-conformance';
import { qemuImg, skipUnless } from '@blk/oracle';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nullAio, nullCo } from '../src/index.js';

function graphOf(host: Partial<Host> = {}): BlockGraph {
  return new BlockGraph({ drivers: [nullCo, nullAio], host });
}

describe('null disks', () => {
  it('does what the README shows', async () => {
    const logged = await runReadmeExample(join(import.meta.dirname, '..'), { openImage, nullCo });
    expect(logged).toEqual([[2 ** 40, new Uint8Array(3)]]);
  });

  it('has 1 GiB and completes at once', async () => {
    const graph = graphOf();
    const node = await graph.open('null-co://', { format: 'null-co' });
    expect(node.size).toBe(2 ** 30);
    const buffer = new Uint8Array(64).fill(7);
    expect(node.read(0, buffer, 16, 32)).toBeUndefined();
    expect([buffer[15], buffer[16], buffer[47], buffer[48]]).toEqual([7, 0, 0, 7]);
    expect(node.write(0, buffer, 0, 64)).toBeUndefined();
    expect(node.writev(0, [buffer, buffer])).toBeUndefined();
    expect(node.flush()).toBeUndefined();
    await expect(node.truncate(5)).rejects.toMatchObject({ kind: 'unsupported', message: 'Image format driver does not support resize' });
    await graph.close();
  });

  it('says that it is zero only if asked to', async () => {
    const graph = graphOf();
    const silent = await graph.open({ driver: 'null-co' });
    expect(await silent.extent(0, 512)).toMatchObject({ length: 512, allocated: false, data: false });
    const open = await graph.open({ driver: 'null-aio', 'read-zeroes': 'on' });
    expect(await open.extent(1024, 512)).toMatchObject({ length: 512, allocated: true, zero: true, data: false, hostOffset: 1024 });
    await graph.close();
  });

  it('takes the time that it is given, by the clock of the host', async () => {
    const timers: { ms: number; fire: () => void }[] = [];
    const graph = graphOf({
      timer: (ms, fire) => {
        timers.push({ ms, fire });
        return () => undefined;
      },
    });
    const node = await graph.open({ driver: 'null-aio', 'latency-ns': 2_500_000 });
    const buffer = new Uint8Array(512);
    const requests = [node.read(0, buffer, 0, 512), node.write(0, buffer, 0, 512), node.writeZeroes(0, 512), node.flush()];
    expect(timers.map(({ ms }) => ms)).toEqual([2.5, 2.5, 2.5, 2.5]);
    for (const { fire } of timers) fire();
    for (const request of requests) await request;
    await graph.close();
  });

  const wrong: [string, object, string][] = [
    ['a negative latency', { 'latency-ns': -1 }, 'latency-ns is invalid'],
    ['an option that is not there', { filename: 'x' }, "Block protocol 'null-co' doesn't support the option 'filename'"],
  ];
  it.each(wrong)('refuses %s', async (_name, options, message) => {
    const error: unknown = await graphOf()
      .open({ driver: 'null-co', ...options })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ kind: 'invalid-argument', message });
  });

  it.each(['null-co:', 'null-co://x', 'null-aio://size=5'])('refuses the name %s', async (name) => {
    const driver = name.split(':')[0];
    await expect(graphOf().open(name, { format: driver })).rejects.toMatchObject({
      kind: 'invalid-argument',
      message: `The only allowed filename for this driver is '${driver}://'`,
    });
  });

  const tools = skipUnless('qemu-img');
  it.skipIf(tools.skip)(tools.title('refuses in the words of the reference'), async () => {
    for (const [, options, message] of wrong) {
      const name = `json:${JSON.stringify({ driver: 'null-co', ...options })}`;
      const { stderr } = await qemuImg('info', name);
      expect(stderr).toBe(`qemu-img: Could not open '${name}': ${message}\n`);
    }
    const { stderr } = await qemuImg('info', 'null-co://x');
    expect(stderr).toBe(`qemu-img: Could not open 'null-co://x': The only allowed filename for this driver is 'null-co://'\n`);
  });
});

import { describe, expect, it } from 'vitest';
import { BlockError, openImage, type ChainExtent, type Image } from '../src/index.js';
import { cow, failure, MemFile, MemFiles, noise, sameBytes, setup, turn } from './support.js';

async function image(file: MemFile, writable = true): Promise<Image> {
  return openImage(file.definition, { drivers: [new MemFiles().driver], writable });
}

/** The same face without types, as JavaScript sees it. */
type Loose = Record<'read' | 'write' | 'writeZeroes', (...given: unknown[]) => Promise<unknown>> & Pick<WritableFace, 'writable'>;
interface WritableFace {
  writable(): { getWriter(): { write(chunk: unknown): Promise<void> } };
}

async function collect(extents: AsyncIterable<ChainExtent>): Promise<string[]> {
  const lines: string[] = [];
  for await (const { offset, length, data, zero, depth, hostOffset } of extents) {
    lines.push(`${offset}+${length} ${data ? 'data' : zero ? 'zero' : 'hole'} ${depth}${hostOffset < 0 ? '' : ` @${hostOffset}`}`);
  }
  return lines;
}

describe('an image', () => {
  it('is read and written with promises, and closed by its scope', async () => {
    const file = new MemFile(noise(1000));
    let size = 0;
    {
      await using open = await image(file);
      size = open.size;
      sameBytes(await open.read(10, 20), file.bytes.slice(10, 30));
      const into = new Uint8Array(10);
      expect(await open.read(0, 5, into)).toBe(into);
      sameBytes(into.subarray(0, 5), file.bytes.slice(0, 5));
      await open.write(0, Uint8Array.of(1, 2), { fua: true });
      await open.writeZeroes(1, 1);
      await open.flush();
      await open.resize(500);
      expect([open.size, open.format]).toEqual([500, 'mem']);
    }
    expect(size).toBe(1000);
    expect(file.opened).toBe(0);
    expect([...file.bytes.subarray(0, 3)]).toEqual([1, 0, noise(3)[2]]);
  });

  it('is read-only unless asked otherwise', async () => {
    await using open = await image(new MemFile(10), false);
    for (const change of [() => open.write(0, noise(1)), () => open.writeZeroes(0, 1), () => open.discard(0, 1), () => open.resize(5)]) {
      expect((await failure(change))?.kind).toBe('read-only');
    }
  });

  it('checks ranges before it allocates anything', async () => {
    await using open = await image(new MemFile(10));
    for (const [offset, length] of [[0, 11], [0, 2 ** 45], [0, -1], [-1, 1], [0.5, 1], [0, NaN], [10, 1]]) {
      expect((await failure(() => open.read(offset, length)))?.kind).toBe('out-of-range');
    }
    expect((await failure(() => open.read(0, 5, new Uint8Array(4))))?.kind).toBe('invalid-argument');
    expect((await open.read(10, 0)).length).toBe(0);
  });

  it('names what is no place and no bytes, and stores nothing of it', async () => {
    const file = new MemFile(noise(1000));
    await using open = await image(file);
    const refused = async (call: (open: never) => Promise<unknown>, words: string): Promise<void> => {
      const error = await failure(() => call(open as never));
      expect([error?.kind, error?.message]).toEqual(['invalid-argument', words]);
    };
    await refused((any: Loose) => any.write(0, 'hello'), "Bytes have to be a Uint8Array, found the string 'hello'");
    await refused((any: Loose) => any.write(0, [1, 2]), 'Bytes have to be a Uint8Array, found Array');
    await refused((any: Loose) => any.write(0, new ArrayBuffer(4)), 'Bytes have to be a Uint8Array, found ArrayBuffer');
    await refused((any: Loose) => any.write(0, new Uint16Array(4)), 'Bytes have to be a Uint8Array, found Uint16Array');
    await refused((any: Loose) => any.write(0), 'Bytes have to be a Uint8Array, found undefined');
    await refused((any: Loose) => any.read(0, 4, new Uint16Array(4)), 'Bytes have to be a Uint8Array, found Uint16Array');
    await refused((any: Loose) => any.read('0', 4), "Offset has to be a number of bytes, found the string '0'");
    await refused((any: Loose) => any.read(0n, 4), 'Offset has to be a number of bytes, found the bigint 0n');
    await refused((any: Loose) => any.read(0), 'Length has to be a number of bytes, found undefined');
    await refused((any: Loose) => any.writeZeroes(0, null), 'Length has to be a number of bytes, found null');
    await refused((any: Loose) => any.writable().getWriter().write('x'.repeat(50)), 'Bytes have to be a Uint8Array, found a string');
    sameBytes(file.bytes, noise(1000));
    await open.write(0, Buffer.of(7));
    expect(file.bytes[0]).toBe(7);
  });

  it('says that it was closed, and is closed once', async () => {
    const open = await image(new MemFile(10));
    await Promise.all([open.close(), open.close()]);
    await open.close();
    for (const use of [
      () => open.read(0, 1),
      () => open.write(0, noise(1)),
      () => open.flush(),
      () => open.resize(5),
      () => open.size,
      () => open.extents(),
      () => open.readable(),
    ]) {
      const error = await failure(use);
      expect([error?.kind, error?.message]).toEqual(['closed', 'The image was closed']);
    }
  });

  it('asks for drivers', async () => {
    const refused = async (drivers: unknown): Promise<string | undefined> => (await failure(() => openImage('x', { drivers: drivers as never })))?.message;
    expect(await refused(undefined)).toBe("'drivers' has to be a list, such as [file, qcow2], found undefined");
    expect(await refused([cow, undefined])).toBe("Entry 1 of 'drivers' has to be a driver, found undefined");
    expect(await refused(['cow'])).toBe("Entry 0 of 'drivers' has to be a driver, found the string 'cow'");
    expect(await refused([() => cow])).toBe("Entry 0 of 'drivers' has to be a driver, found function");
  });

  it('closes what it opened when it cannot be used', async () => {
    const files = new MemFiles();
    files.put('x', new MemFile(10));
    expect((await failure(() => openImage('x', { drivers: [files.driver, cow], format: 'cow' })))?.kind).toBe('invalid-image');
    expect(files.get('x').opened).toBe(0);
  });
});

describe('streams', () => {
  it('deliver the content, or a part of it, in chunks', async () => {
    await using open = await image(new MemFile(noise(1000)));
    const gather = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array[]> => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of stream as unknown as AsyncIterable<Uint8Array>) chunks.push(chunk);
      return chunks;
    };
    const chunks = await gather(open.readable({ chunkSize: 300 }));
    expect(chunks.map((chunk) => chunk.length)).toEqual([300, 300, 300, 100]);
    sameBytes(Buffer.concat(chunks), noise(1000));
    sameBytes(Buffer.concat(await gather(open.readable({ offset: 100, length: 50 }))), noise(1000).subarray(100, 150));
    expect(await gather(open.readable({ offset: 1000 }))).toEqual([]);
    for (const wrong of [{ chunkSize: 0 }, { offset: 1001 }, { offset: -1 }, { length: 1001 }]) {
      expect((await failure(() => open.readable(wrong)))?.kind).toMatch(/invalid-argument|out-of-range/);
    }
  });

  it('store what is written, and flush at the end', async () => {
    const file = new MemFile(1000);
    await using open = await image(file);
    await new Blob([noise(700)] as BlobPart[]).stream().pipeTo(open.writable({ offset: 100 }));
    sameBytes(file.bytes.subarray(100, 800), noise(700));
    expect(file.log[file.log.length - 1]).toBe('flush');
  });

  it('fail with the error of the image', async () => {
    const file = new MemFile(1000);
    await using open = await image(file);
    const writer = open.writable({ offset: 990 }).getWriter();
    expect((await failure(() => writer.write(noise(11))))?.kind).toBe('out-of-range');
    file.before = async () => {
      await turn();
      throw new BlockError('io', 'no');
    };
    expect((await failure(() => open.readable().getReader().read()))?.message).toBe('no');
    file.before = () => undefined;
  });
});

describe('extents', () => {
  it('are merged, go through the chain, and are refined by the file', async () => {
    const made = setup();
    made.files.put('base', new MemFile(noise(12_288)));
    await made.graph.create('mem:top', { format: 'cow', size: 32_768, options: { backing_file: 'mem:base', backing_fmt: 'plain' } });
    const backend = await made.graph.openBackend('mem:top', { writable: true });
    expect(await collect(backend.extents())).toEqual(['0+12288 data 1', '12288+20480 zero 0']);
    await backend.write(4096, noise(8192), 0, 8192);
    await backend.writeZeroes(16_384, 4096);
    expect(await collect(backend.extents())).toEqual(['0+4096 data 1', '4096+8192 data 0 @12288', '12288+4096 zero 0', '16384+4096 zero 0', '20480+12288 zero 0']);
    expect(await collect(backend.extents(5000, 4000))).toEqual(['5000+4000 data 0 @13192']);
    expect(await collect(backend.extents(32_768, 0))).toEqual([]);
    await backend.close();
  });

  it('see through filters, and stop above the base that is given', async () => {
    const made = setup();
    made.files.put('base', new MemFile(noise(8192)));
    await made.graph.create('mem:top', { format: 'cow', size: 8192, options: { backing_file: 'mem:base', backing_fmt: 'plain' } });
    const filter = await made.graph.open({ driver: 'plain', file: { driver: 'cow', file: { driver: 'mem', filename: 'mem:top' } } });
    const inner = filter.storage?.node;
    const { chainExtents } = await import('../src/index.js');
    expect(await collect(chainExtents(filter, 0, 8192))).toEqual(['0+8192 data 1']);
    expect(await collect(chainExtents(filter, 0, 8192, inner?.backing?.node))).toEqual(['0+8192 hole 0']);
    await made.graph.close();
  });

  it('give drivers without any all data, and zeroes beyond the end', async () => {
    const { graph } = setup();
    const node = await graph.open(new MemFile(1000).definition);
    expect(await node.extent(0, 500)).toMatchObject({ length: 500, data: true, hostOffset: -1 });
    expect(await node.extent(900, 500)).toMatchObject({ length: 100, data: true });
    expect(await node.extent(1000, 500)).toMatchObject({ length: 500, zero: true, data: false });
    await graph.close();
  });
});

describe('creating', () => {
  it('makes the file, then the format in it, each with its options', async () => {
    const { graph, files } = setup();
    await graph.create('mem:x', { format: 'cow', size: 4096, options: { colour: 'red' } });
    const node = await graph.open('mem:x');
    expect([node.driverName, node.size]).toEqual(['cow', 4096]);
    await graph.close();
    expect(files.get('x').opened).toBe(0);
    await graph.create('mem:y', { format: 'mem', size: 77 });
    expect(files.get('y').bytes.length).toBe(77);
  });

  it('takes the size from the backing file, and looks whether that is there', async () => {
    const { graph, files } = setup();
    files.put('base', new MemFile(5000));
    await graph.create('mem:x', { format: 'cow', options: { backing_file: 'base', backing_fmt: 'plain' } });
    const node = await graph.open('mem:x');
    expect(node.size).toBe(5000);
    await graph.release(node);
    expect(files.get('base').opened).toBe(0);
    const missing = { backing_file: 'nofile', backing_fmt: 'plain' };
    expect((await failure(() => graph.create('mem:z', { format: 'cow', size: 1, options: missing })))?.message).toBe(
      "Could not open 'mem:nofile': No such file or directory\nCould not open backing image.",
    );
    expect(files.files.has('z')).toBe(false);
    await graph.create('mem:z', { format: 'cow', size: 1, options: missing, unsafe: true });
  });

  it('is refused in QEMU words', async () => {
    const { graph, files } = setup();
    for (const [name, request, message] of [
      ['mem:x', { format: 'nosuch', size: 1 }, "Unknown file format 'nosuch'"],
      ['mem:x', { format: 'plain', size: 1 }, "Format driver 'plain' does not support image creation"],
      ['mem:x', { format: 'cow', size: 1, options: { bogus: 1 } }, "Invalid parameter 'bogus'"],
      ['mem:x', { format: 'cow' }, 'Image creation needs a size parameter'],
      ['nosuch:x', { format: 'cow', size: 1 }, "Unknown protocol 'nosuch'"],
      ['mem:x', { format: 'cow', size: 1, options: { backing_file: 'x' } }, 'Error: Trying to create an image with the same filename as the backing file'],
    ] as const) {
      expect((await failure(() => graph.create(name, request)))?.message).toBe(message);
    }
    for (const size of [-1, 0.5, NaN, 2 ** 53]) expect((await failure(() => graph.create('mem:x', { format: 'cow', size })))?.kind).toBe('invalid-argument');
    expect(files.files.size).toBe(0);
  });
});

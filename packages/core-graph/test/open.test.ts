import { describe, expect, it } from 'vitest';
import { BlockError, BlockGraph, defineDriver, UNTRUSTED, type Definition, type GraphEvent } from '../src/index.js';
import { cow, failure, gate, MemFile, MemFiles, noise, plain, setup, turn } from './support.js';

async function withImages() {
  const made = setup();
  made.files.put('data', new MemFile(noise(10_000)));
  await made.graph.create('mem:base', { format: 'cow', size: 8192 });
  await made.graph.create('mem:top', { format: 'cow', size: 8192, options: { backing_file: 'base', backing_fmt: 'cow' } });
  return made;
}

/** Nothing is open any more. */
function expectAllClosed({ graph, files }: { graph: BlockGraph; files: MemFiles }): void {
  expect([...graph.nodes].map((node) => node.name)).toEqual([]);
  for (const [name, file] of files.files) expect([name, file.opened]).toEqual([name, 0]);
}

const unclosable = defineDriver<{ file: unknown }>({
  ...plain,
  name: 'unclosable',
  open: async (options, context) => ({ ...(await plain.open(options, context)), close: () => Promise.reject(new BlockError('io', 'not closed')) }),
});

describe('opening by name', () => {
  it('guesses the format by score, and takes the one that is named', async () => {
    const made = await withImages();
    const { graph } = made;
    for (const [name, options, format] of [
      ['mem:base', {}, 'cow'],
      ['mem:data', {}, 'plain'],
      ['mem:base', { format: 'plain' }, 'plain'],
      ['mem:base', { format: 'mem' }, 'mem'],
      ['data', {}, 'plain'],
      ['json:{"driver":"cow","file":{"driver":"mem","filename":"base"}}', {}, 'cow'],
      ['json:{"driver":"cow","file.driver":"mem","file.filename":"base"}', {}, 'cow'],
      ['json:{"driver":"mem","filename":"base"}', {}, 'mem'],
      ['json:{"file":{"driver":"mem","filename":"base"}}', {}, 'cow'],
      ["json:{'filename':'mem:base'}", {}, 'cow'],
    ] as const) {
      const node = await graph.open(name, options);
      expect([name, node.driverName]).toEqual([name, format]);
      await graph.release(node);
    }
    expectAllClosed(made);
  });

  it('becomes options of the protocol, and is none itself, where an image or a reference names another place', async () => {
    const { graph, files } = setup();
    const opened: unknown[] = [];
    const far = defineDriver<{ url: string }>({
      ...files.driver,
      name: 'far',
      schemes: ['far'],
      options: { url: { type: 'string' } },
      parseFilename: (filename) => ({ url: filename }),
      open: (options, context) => {
        opened.push(options);
        return files.driver.open({ filename: options.url.slice('far:'.length) }, context);
      },
    });
    files.put('data', new MemFile(noise(1024)));
    const both = new BlockGraph({ drivers: [...graph.drivers.values(), far] });
    const node = await both.open({ driver: 'plain', file: { filename: 'far:data' } });
    expect(node.size).toBe(1024);
    expect(opened).toEqual([{ url: 'far:data' }]);
    await both.release(node);
    expectAllClosed({ graph: both, files });
  });

  it('is refused in QEMU words where the name means nothing', async () => {
    const { graph } = await withImages();
    for (const [source, options, message] of [
      ['nosuch:x', {}, "Unknown protocol 'nosuch'"],
      ['mem:base', { format: 'nosuch' }, "Unknown driver 'nosuch'"],
      ['json:{"driver":"nosuch"}', {}, "Unknown driver 'nosuch'"],
      ['json:{}', {}, 'Must specify either driver or file'],
      ['json:[1]', {}, 'Invalid JSON object given'],
      ['json:{"driver":"cow"}', {}, 'A block device must be specified for "file"'],
      ['json:{"driver":"cow","file":"x"}', {}, "Cannot find device='x' nor node-name='x'"],
      ['json:{"driver":"cow","file":{"driver":"mem"},"bogus":1}', {}, "Block format 'cow' does not support the option 'bogus'"],
      ['json:{"driver":"plain","file":{"driver":"mem"},"backing":null}', {}, "Block format 'plain' does not support the option 'backing'"],
      ['json:{"driver":"mem","bogus":1}', {}, "Block protocol 'mem' doesn't support the option 'bogus'"],
      ['json:{"driver":"cow","read-only":"x","file":{"driver":"mem"}}', {}, "Parameter 'read-only' expects 'on' or 'off'"],
      ['json:{"driver":"cow","cache":{"direct":"x"},"file":{"driver":"mem"}}', {}, "Parameter 'cache.direct' expects 'on' or 'off'"],
      ['json:{"driver":"cow","node-name":"9","file":{"driver":"mem"}}', {}, "Invalid node-name: '9'"],
      ['mem:data', { format: 'cow' }, 'Image is not in COW format'],
    ] as const) {
      expect([source, (await failure(() => graph.open(source, options)))?.message]).toEqual([source, message]);
    }
  });

  it('is refused where no driver knows the content, or guessing is not allowed', async () => {
    const files = new MemFiles();
    files.put('x', new MemFile(noise(100)));
    const graph = new BlockGraph({ drivers: [files.driver, cow] });
    expect((await failure(() => graph.open('x')))?.message).toBe('Could not determine image format: No compatible driver found');
    expect((await failure(() => graph.open('x', { policy: UNTRUSTED })))?.kind).toBe('policy');
    expect((await failure(() => new BlockGraph({ drivers: [cow] }).open('x')))?.kind).toBe('unsupported');
    expect(files.get('x').opened).toBe(0);
  });

  it('gives the driver the head of the image and tells it that it was guessed', async () => {
    const files = new MemFiles();
    files.put('x', new MemFile(noise(5000)));
    const seen: unknown[] = [];
    const curious = defineDriver<{ file: unknown }>({
      ...plain,
      name: 'curious',
      probe: (head, filename) => (seen.push(head.length, filename), 50),
      open: async (options, context) => {
        seen.push(context.probed, context.formatOf(new Uint8Array(2048), 'y'));
        return plain.open(options, context);
      },
    });
    const graph = new BlockGraph({ drivers: [files.driver, curious] });
    await graph.release(await graph.open('x'));
    await graph.release(await graph.open({ driver: 'curious', file: { driver: 'mem', filename: 'x' } }));
    expect(seen).toEqual([2048, 'x', 2048, 'y', true, 'curious', 2048, 'y', false, 'curious']);
  });
});

describe('node names', () => {
  it('are given or made up, unique, and checked', async () => {
    const made = await withImages();
    const { graph } = made;
    const file = await graph.open({ driver: 'mem', filename: 'base', 'node-name': 'f.1-x_y' });
    const top = await graph.open({ driver: 'cow', file: 'f.1-x_y' });
    expect(graph.node('f.1-x_y')).toBe(file);
    expect(top.name).toMatch(/^#block\d+$/);
    expect(top.storage?.node).toBe(file);
    for (const [name, message] of [
      ['f.1-x_y', "Duplicate nodes with node-name='f.1-x_y'"],
      ['9x', "Invalid node-name: '9x'"],
      ['', "Invalid node-name: ''"],
      ['#a', "Invalid node-name: '#a'"],
      ['a'.repeat(32), 'Node name too long'],
    ]) {
      expect((await failure(() => graph.open({ driver: 'mem', filename: 'data', 'node-name': name })))?.message).toBe(message);
    }
    expect((await failure(async () => graph.node('x')))?.kind).toBe('not-found');
    await graph.release(file);
    expect(file.closed).toBe(false);
    await graph.release(top);
    expect(file.closed).toBe(true);
    expectAllClosed(made);
  });

  it('are free again when opening fails, at the same time too', async () => {
    const made = await withImages();
    const { graph } = made;
    const bad: Definition = { driver: 'cow', 'node-name': 'n', file: { driver: 'mem', filename: 'data' } };
    expect((await failure(() => graph.open(bad)))?.kind).toBe('invalid-image');
    const hold = gate();
    made.files.get('base').before = () => hold.promise;
    const good = graph.open({ driver: 'cow', 'node-name': 'n', file: { driver: 'mem', filename: 'base' } });
    expect((await failure(() => graph.open(bad)))?.message).toBe("Duplicate nodes with node-name='n'");
    hold.open();
    await graph.release(await good);
    expectAllClosed(made);
  });
});

describe('a name', () => {
  it('is that of the storage, where the definition has none', async () => {
    const made = await withImages();
    const base = await made.graph.open({ driver: 'mem', filename: 'base' });
    // As of a server: only the driver knows what to call it.
    Object.defineProperty(base.driver, 'filename', { value: 'mem://base' });
    Object.defineProperty(base.settings, 'filename', { value: '' });
    const image = await made.graph.open({ driver: 'cow', file: base });
    expect(image.filename).toBe('mem://base');
    await made.graph.release(image);
    await made.graph.release(base);
    expectAllClosed(made);
  });
});

describe('backing chains', () => {
  it('are followed by the names that the images record, beside the image', async () => {
    const made = await withImages();
    const top = await made.graph.open('mem:top');
    expect(top.backing?.node.driverName).toBe('cow');
    expect(top.backing?.node.filename).toBe('mem:base');
    expect([top.readOnly, top.backing?.node.readOnly, top.backing?.node.storage?.node.readOnly]).toEqual([false, true, true]);
    await made.graph.release(top);
    expectAllClosed(made);
  });

  it('can be left out, replaced, or told their options', async () => {
    const made = await withImages();
    const { graph } = made;
    const file = { driver: 'mem', filename: 'top' };
    const backingOf = async (definition: Definition, options = {}): Promise<string | undefined> => {
      const node = await graph.open({ driver: 'cow', file, ...definition }, options);
      const found = node.backing && `${node.backing.node.driverName} ${node.backing.node.filename}`;
      await graph.release(node);
      return found;
    };
    expect(await backingOf({}, { noBacking: true })).toBeUndefined();
    expect(await backingOf({ backing: null })).toBeUndefined();
    expect(await backingOf({ backing: '' })).toBeUndefined();
    expect(await backingOf({ backing: { driver: 'plain', file: { driver: 'mem', filename: 'data' } } })).toBe('plain data');
    expect(await backingOf({ backing: { driver: 'plain' } })).toBe('plain base');
    expect(await backingOf({ 'backing.driver': 'plain' })).toBe('plain base');
    expect(await backingOf({ 'backing.file.driver': 'mem', 'backing.file.filename': 'data', 'backing.driver': 'plain' })).toBe('plain data');
    const node = await graph.open({ driver: 'plain', 'node-name': 'other', 'read-only': true, file: { driver: 'mem', filename: 'data' } });
    expect(await backingOf({ backing: 'other' })).toBe('plain data');
    expect((await failure(() => backingOf({ backing: 'nope' })))?.kind).toBe('not-found');
    await graph.release(node);
    expectAllClosed(made);
  });

  it('end with a clear error where they are broken, and leave nothing open', async () => {
    const made = await withImages();
    const { graph, files } = made;
    files.files.delete('base');
    expect((await failure(() => graph.open('mem:top')))?.message).toBe(
      "Could not open backing file: Could not open 'mem:base': No such file or directory",
    );
    await graph.create('mem:loop', { format: 'cow', size: 1, unsafe: true, options: { backing_file: 'loop', backing_fmt: 'cow' } });
    expect((await failure(() => graph.open('mem:loop')))?.message).toBe("Could not open backing file: Backing file 'mem:loop' creates an infinite loop.");
    await graph.create('mem:a', { format: 'cow', size: 1, unsafe: true, options: { backing_file: 'mem:b' } });
    await graph.create('mem:b', { format: 'cow', size: 1, unsafe: true, options: { backing_file: 'mem:a' } });
    expect((await failure(() => graph.open('mem:a')))?.message).toMatch(/creates an infinite loop/);
    expectAllClosed(made);
  });

  it('are bounded in depth, and in what they may refer to', async () => {
    const made = await withImages();
    const { graph, files } = made;
    await graph.create('mem:c0', { format: 'cow', size: 4096 });
    for (let i = 1; i <= 10; i++) {
      await graph.create(`mem:c${i}`, { format: 'cow', size: 4096, unsafe: true, options: { backing_file: `c${i - 1}`, backing_fmt: 'cow' } });
    }
    const trusted = { allowReference: () => true, allowProbing: true, maxMetadataBytes: 1e9 };
    await graph.release(await graph.open('mem:c10', { policy: { ...trusted, maxChainDepth: 11 } }));
    expect((await failure(() => graph.open('mem:c10', { policy: { ...trusted, maxChainDepth: 10 } })))?.kind).toBe('policy');
    const asked: string[] = [];
    const allowReference = (reference: string, kind: string, from: string): boolean => {
      asked.push(`${kind} ${reference} of ${from}`);
      return reference !== 'mem:c1';
    };
    expect((await failure(() => graph.open('mem:c3', { policy: { ...trusted, maxChainDepth: 99, allowReference } })))?.kind).toBe('policy');
    expect(asked).toEqual(['backing mem:c2 of mem:c3', 'backing mem:c1 of mem:c2']);
    expect((await failure(() => graph.open('mem:c1', { format: 'cow', policy: UNTRUSTED })))?.kind).toBe('policy');
    await graph.release(await graph.open('mem:c0', { format: 'cow', policy: UNTRUSTED }));
    expectAllClosed({ graph, files });
  });
});

describe('opening and closing', () => {
  it('hands read-only, discard and cache modes down', async () => {
    const { graph } = await withImages();
    const file = { driver: 'mem', filename: 'base' };
    const readOnly = await graph.open({ driver: 'cow', 'read-only': true, file });
    expect(readOnly.storage?.node.readOnly).toBe(true);
    const mixed = await graph.open({ driver: 'cow', 'cache.direct': true, file: { ...file, 'read-only': true, 'cache.direct': false } }).catch((error: unknown) => error);
    expect(mixed).toMatchObject({ kind: 'read-only' });
    const cached = await graph.open({ driver: 'cow', 'cache.direct': true, file });
    expect([cached.settings.cache.direct, cached.storage?.node.settings.cache.direct]).toEqual([true, true]);
    expect([cached.discardEnabled, cached.storage?.node.discardEnabled]).toEqual([false, true]);
    expect((await failure(() => graph.open({ driver: 'mem', filename: 'base', 'force-share': true })))?.message).toBe(
      'force-share=on can only be used with read-only images',
    );
  });

  it('falls back to read-only where it may and has to', async () => {
    const made = await withImages();
    let refusals = 0;
    const guarded = defineDriver<{ filename: string }>({
      ...made.files.driver,
      name: 'guarded',
      schemes: ['guarded'],
      open: async (options, context) => {
        if (context.readOnly) return made.files.driver.open({ ...options }, context);
        refusals++;
        throw new BlockError('permission', 'Permission denied');
      },
    });
    const graph = new BlockGraph({ drivers: [made.files.driver, guarded, cow, plain] });
    const file = { driver: 'guarded', filename: 'base' };
    expect((await failure(() => graph.open({ driver: 'cow', file })))?.kind).toBe('permission');
    refusals = 0;
    const node = await graph.open({ driver: 'cow', 'node-name': 'n', 'auto-read-only': true, file });
    expect([node.name, node.readOnly, node.storage?.node.readOnly, refusals]).toEqual(['n', true, true, 1]);
    const writable = await graph.open({ driver: 'cow', 'auto-read-only': true, file: { driver: 'mem', filename: 'top' }, backing: null });
    expect(writable.readOnly).toBe(false);
    expect((await failure(() => graph.open({ driver: 'cow', 'auto-read-only': true, file: { driver: 'mem', filename: 'data' } })))?.kind).toBe('invalid-image');
    await graph.close();
    expectAllClosed({ graph, files: made.files });
  });

  it('stops for a signal, and leaves nothing behind', async () => {
    const made = await withImages();
    const abort = new AbortController();
    made.files.get('base').before = async () => {
      abort.abort();
      await turn();
    };
    await expect(made.graph.open('mem:top', { signal: abort.signal })).rejects.toMatchObject({ kind: 'aborted' });
    expectAllClosed(made);
  });

  it('closes whatever an open that fails had got hold of, also when closing fails', async () => {
    const made = await withImages();
    const failing = defineDriver<{ file: unknown }>({
      ...plain,
      name: 'failing',
      open: async (options, context) => {
        await context.child('file', options.file, 'storage');
        throw new BlockError('corrupt', 'half way');
      },
    });
    const graph = new BlockGraph({ drivers: [made.files.driver, failing] });
    expect((await failure(() => graph.open('mem:data', { format: 'failing' })))?.message).toBe('half way');
    expectAllClosed({ graph, files: made.files });
    const other = new BlockGraph({ drivers: [made.files.driver, unclosable] });
    const node = await other.open('mem:data', { format: 'unclosable' });
    expect((await failure(() => other.release(node)))?.message).toBe('not closed');
    expectAllClosed({ graph: other, files: made.files });
  });

  it('closes the other children of a node where one can not be closed', async () => {
    const { files } = await withImages();
    const two = defineDriver<{ file: unknown; other: unknown }>({
      ...plain,
      name: 'two',
      children: { file: 'required', other: 'required' },
      open: async (options, context) => {
        const opened = await plain.open(options, context);
        await context.child('other', options.other, 'data');
        return opened;
      },
    });
    const graph = new BlockGraph({ drivers: [files.driver, plain, unclosable, two] });
    const on = (driver: string, filename: string): Definition => ({ driver, file: { driver: 'mem', filename } });
    const node = await graph.open({ driver: 'two', file: on('unclosable', 'data'), other: on('plain', 'base') });
    expect((await failure(() => graph.release(node)))?.message).toBe('not closed');
    expectAllClosed({ graph, files });
  });

  it('closes all, and can be asked to twice', async () => {
    const made = await withImages();
    const { graph } = made;
    await graph.openBackend('mem:top', { name: 'drive0' });
    await graph.open('mem:data');
    await graph.close();
    await graph.close();
    expectAllClosed(made);
    expect(graph.backends.size).toBe(0);
  });

  it('flushes every node that can be written', async () => {
    const made = await withImages();
    const node = await made.graph.open('mem:data', { format: 'plain' });
    await made.graph.open('mem:base', { readOnly: true });
    await node.write(0, noise(5), 0, 5);
    const file = made.files.get('data');
    await made.graph.flushAll();
    expect(file.log.filter((line) => line === 'flush').length).toBe(1);
    await node.write(0, noise(5), 0, 5);
    file.before = () => Promise.reject(new BlockError('io', 'no flush'));
    expect((await failure(() => made.graph.flushAll()))?.message).toBe('no flush');
    file.before = () => undefined;
    await made.graph.close();
  });

  it('passes on what drivers have to say', async () => {
    const files = new MemFiles();
    files.put('x', new MemFile(10));
    const warnings: string[] = [];
    const events: GraphEvent[] = [];
    const talking = defineDriver<{ file: unknown }>({
      ...plain,
      name: 'talking',
      open: async (options, context) => {
        context.warn('careful');
        context.corrupted({ message: 'bad', fatal: true });
        return plain.open(options, context);
      },
    });
    const graph = new BlockGraph({ drivers: [files.driver, talking], host: { warn: (message) => warnings.push(message) } });
    const unsubscribe = graph.subscribe((event) => events.push(event));
    const node = await graph.open('x', { format: 'talking' });
    expect(warnings).toEqual(['careful']);
    expect(events).toEqual([{ type: 'corrupted', node, report: { message: 'bad', fatal: true } }]);
    unsubscribe();
    graph.emit({ type: 'write-threshold', node, amount: 1, threshold: 1 });
    expect(events.length).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { Backend, BlockError, WriteFlag, type BackendOptions, type GraphEvent } from '../src/index.js';
import { failure, gate, MemFile, noise, setup, turn } from './support.js';

async function device(file: MemFile, options: BackendOptions = {}, definition: object = {}) {
  let now = 0;
  const { graph } = setup({ host: { now: () => (now += 10) } });
  const node = await graph.open({ ...file.definition, ...definition });
  const events: GraphEvent[] = [];
  graph.subscribe((event) => events.push(event));
  return { graph, node, events, backend: Backend.over(graph, node, { writable: true, ...options }) };
}

describe('a backend', () => {
  it('counts what is done, at once or later, and what fails', async () => {
    for (const late of [false, true]) {
      const file = new MemFile(8192);
      const { backend } = await device(file, {}, { discard: 'unmap' });
      if (late) file.before = () => turn();
      const bytes = noise(1000);
      await backend.read(0, bytes, 0, 1000);
      await backend.write(0, bytes, 0, 500);
      await backend.writeZeroes(0, 300);
      await backend.discard(0, 4096);
      await backend.flush();
      file.before = ({ verb }) => {
        if (late) return turn().then(() => Promise.reject(new BlockError('io', verb)));
        throw new BlockError('io', verb);
      };
      await failure(() => backend.read(0, bytes, 0, 10));
      await failure(() => backend.write(0, bytes, 0, 10));
      await failure(() => backend.flush());
      expect(backend.statistics).toMatchObject({
        readBytes: 1000,
        readOperations: 1,
        writeBytes: 800,
        writeOperations: 2,
        flushOperations: 1,
        failedReads: 1,
        failedWrites: 1,
        failedFlushes: 1,
      });
      for (const time of [backend.statistics.readTime, backend.statistics.writeTime, backend.statistics.flushTime]) expect(time).toBeGreaterThan(0);
      expect(backend.inFlight).toBe(0);
    }
  });

  it('writes through where it is told to', async () => {
    const file = new MemFile(8192);
    const { backend } = await device(file, { writeThrough: true });
    await backend.write(0, noise(5), 0, 5);
    await backend.writeZeroes(10, 5);
    expect(file.log).toEqual(['write 0+5', 'flush', 'zero 10+5', 'flush']);
    backend.writeThrough = false;
    await backend.write(0, noise(5), 0, 5);
    await backend.write(0, noise(5), 0, 5, WriteFlag.Fua);
    expect(file.log.slice(4)).toEqual(['write 0+5', 'write 0+5', 'flush']);
  });

  it('is told apart by its name', async () => {
    const { graph, node } = await device(new MemFile(1), { name: 'drive0' }, { 'node-name': 'n' });
    expect((await failure(async () => Backend.over(graph, node, { name: 'drive0' })))?.message).toBe("Device with id 'drive0' already exists");
    expect((await failure(async () => Backend.over(graph, node, { name: 'n' })))?.message).toMatch(/conflicts with an existing node name/);
    expect((await failure(() => graph.open({ driver: 'mem', mem: new MemFile(1), 'node-name': 'drive0' })))?.message).toMatch(/conflicting with a device id/);
  });

  it('has no medium after it let it go', async () => {
    const { graph, node, backend } = await device(new MemFile(10), { name: 'd' });
    await graph.release(node);
    expect(node.closed).toBe(false);
    await backend.detach();
    expect(node.closed).toBe(true);
    await backend.detach();
    expect([backend.readOnly, backend.edge]).toEqual([true, undefined]);
    expect((await failure(() => backend.read(0, new Uint8Array(1), 0, 1)))?.kind).toBe('no-medium');
    expect(graph.backends.has('d')).toBe(true);
    await backend.close();
    expect(graph.backends.has('d')).toBe(false);
  });

  it('waits for its requests before it closes, and flushes', async () => {
    const file = new MemFile(8192);
    const { backend, graph, node } = await device(file);
    await graph.release(node);
    const hold = gate();
    file.before = ({ verb }) => (verb === 'write' ? hold.promise : undefined);
    const writing = backend.write(0, noise(10), 0, 10);
    const closing = backend.close();
    await turn();
    expect(node.closed).toBe(false);
    hold.open();
    await Promise.all([writing, closing]);
    expect([node.closed, file.opened]).toEqual([true, 0]);
  });
});

describe('the error policy', () => {
  const nospace = new BlockError('no-space', 'full');
  const io = new BlockError('io', 'broken');

  it.each([
    ['report', io, 'report', 'ok'],
    ['ignore', io, 'ignore', 'ok'],
    ['enospc', io, 'report', 'ok'],
    ['enospc', nospace, 'stop', 'nospace'],
    ['stop', io, 'stop', 'failed'],
    ['stop', nospace, 'stop', 'nospace'],
  ] as const)('%s on %s: %s', async (policy, error, action, status) => {
    for (const late of [false, true]) {
      const file = new MemFile(8192);
      const { backend, events } = await device(file, { readError: policy, writeError: policy });
      let broken = true;
      file.before = () => {
        if (!broken) return;
        if (late) return Promise.reject(error);
        throw error;
      };
      let outcome = 'waiting';
      const request = (async () => backend.write(0, noise(5), 0, 5))().then(
        () => (outcome = 'done'),
        (thrown: unknown) => (outcome = thrown === error ? 'thrown' : 'else'),
      );
      await turn();
      expect(outcome).toBe({ report: 'thrown', ignore: 'done', stop: 'waiting' }[action]);
      expect(backend.ioStatus).toBe(status);
      expect(events).toEqual([{ type: 'io-error', backend, operation: 'write', action, error }]);
      if (action === 'stop') {
        broken = false;
        backend.restart();
        await request;
        expect([outcome, backend.ioStatus, file.bytes[0]]).toEqual(['done', 'ok', noise(1)[0]]);
      }
    }
  });

  it('stops once for many requests, and one restart is enough', async () => {
    const file = new MemFile(8192);
    const { backend } = await device(file, { writeError: 'stop', readError: 'report' });
    const hold = gate();
    file.before = () => hold.promise;
    const requests = [0, 1, 2].map(async (i) => backend.write(i, noise(1), 0, 1));
    const reading = failure(() => backend.read(0, new Uint8Array(1), 0, 1));
    hold.fail(io);
    expect(await reading).toBe(io);
    await turn();
    let later = false;
    const held = (async () => backend.read(0, new Uint8Array(1), 0, 1))().then(() => (later = true));
    await turn();
    expect(later).toBe(false);
    file.before = () => undefined;
    backend.restart();
    await Promise.all([...requests, held]);
    expect(backend.statistics.failedWrites).toBe(3);
    backend.restart();
    expect(backend.read(0, new Uint8Array(1), 0, 1)).toBeUndefined();
  });

  it('is asked about foreign errors too', async () => {
    const file = new MemFile(8192);
    const { backend, events } = await device(file, { readError: 'report' });
    file.before = () => {
      throw Object.assign(new Error('odd'), { code: 'ENOSPC' });
    };
    expect(await failure(() => backend.read(0, new Uint8Array(1), 0, 1))).toMatchObject({ kind: 'no-space' });
    expect(events.length).toBe(1);
  });

  it('does not keep a stopped device from being closed; what it held back fails', async () => {
    const file = new MemFile(8192);
    const { backend, graph } = await device(file, { name: 'd', writeError: 'stop' });
    file.before = ({ verb }) => {
      if (verb === 'write') throw nospace;
    };
    const held = failure(() => backend.write(0, noise(1), 0, 1));
    await turn();
    expect(backend.ioStatus).toBe('nospace');
    await graph.close();
    expect((await held)?.kind).toBe('no-medium');
    expect(file.opened).toBe(0);
  });
});

describe('closing', () => {
  it('goes on where a part of it fails, and says so', async () => {
    const { graph } = setup();
    const files = [new MemFile(10), new MemFile(10), new MemFile(10)];
    for (const [i, file] of files.entries()) {
      const backend = await graph.openBackend(file.definition, { name: `d${i}`, writable: true });
      await backend.write(0, noise(1), 0, 1);
    }
    files[0].before = () => Promise.reject(new BlockError('io', 'no flush'));
    expect((await failure(() => graph.close()))?.message).toBe('no flush');
    expect(files.map((file) => file.opened)).toEqual([0, 0, 0]);
  });

  it('happens once, however many let go at the same time', async () => {
    const { graph } = setup();
    const file = new MemFile(10);
    const node = await graph.open(file.definition);
    file.before = () => turn();
    const reading = node.read(0, new Uint8Array(1), 0, 1);
    await Promise.all([graph.release(node), graph.release(node), graph.close()]);
    await reading;
    expect(file.opened).toBe(0);
  });
});

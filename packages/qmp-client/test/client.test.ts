/** The conversation, against a server that says what it likes. */
import { describe, expect, test } from 'vitest';
import { QmpClient, QmpConnectionError } from '../src/index.js';
import { FakeServer, GREETING } from './fake-server.js';

const greeted = (answer?: ConstructorParameters<typeof FakeServer>[0]): FakeServer => new FakeServer(answer).say(GREETING);
const negotiating = (then: (message: Record<string, unknown>, server: FakeServer) => void): FakeServer =>
  greeted((message, server) => {
    if (message['execute'] === 'qmp_capabilities') server.say({ return: {}, id: message['id'] });
    else then(message, server);
  });

describe('a conversation', () => {
  test('greeting, negotiation, commands answered out of order and in pieces of one byte', async () => {
    const waiting: unknown[] = [];
    const server = negotiating((message, by) => {
      waiting.push(message['id']);
      if (waiting.length < 3) return;
      const text = [...waiting].reverse().map((id) => JSON.stringify({ return: { id }, id })).join('\r\n');
      for (const byte of Buffer.from(`${text}\r\n`)) by.push(Buffer.of(byte));
    });
    await using client = await QmpClient.over(server);
    expect(client.greeting).toEqual({ version: GREETING.QMP.version, capabilities: ['oob'] });
    const answers = await Promise.all([client.call('a'), client.call('b', { x: 1 }), client.call('c')]);
    expect(answers).toEqual(waiting.map((id) => ({ id })));
    expect(server.received.slice(1)).toMatchObject([{ execute: 'a' }, { execute: 'b', arguments: { x: 1 } }, { execute: 'c' }]);
    expect(server.received[1]).not.toHaveProperty('arguments');
  });

  test('errors have their class; numbers are exact', async () => {
    const server = negotiating(({ id, execute }, by) => {
      if (execute === 'big') by.say(`{"return": {"size": 9007199254740993}, "id": ${String(id)}}\n`);
      else by.say({ error: { class: 'DeviceNotFound', desc: "Device 'x' not found" }, id });
    });
    await using client = await QmpClient.over(server);
    await expect(client.execute('block-job-pause', { device: 'x' })).rejects.toMatchObject({ name: 'QmpError', class: 'DeviceNotFound', desc: "Device 'x' not found" });
    expect(await client.call('big')).toEqual({ size: 9007199254740993n });
    const sent = client.call('big', { size: 9007199254740993n });
    expect(await sent).toBeDefined();
  });

  test('out of band, where both sides want it', async () => {
    const server = greeted();
    await using client = await QmpClient.over(server, { oob: true });
    await client.call('migrate-pause', undefined, { oob: true });
    expect(server.received).toMatchObject([{ execute: 'qmp_capabilities', arguments: { enable: ['oob'] } }, { 'exec-oob': 'migrate-pause' }]);
  });

  test('a caller that stops waiting does not upset the others', async () => {
    const held: unknown[] = [];
    const server = negotiating((message, by) => {
      held.push(message['id']);
      if (held.length === 2) for (const id of held) by.say({ return: id as object, id });
    });
    await using client = await QmpClient.over(server);
    const stop = new AbortController();
    const first = client.call('slow', undefined, { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    expect(await client.call('next')).toBe(held[1]);
    await expect(client.call('never', undefined, { signal: stop.signal })).rejects.toThrow('enough');
  });
});

describe('events', () => {
  const stamp = { seconds: 5, microseconds: 6 };

  test('by name, by condition, all of them', async () => {
    const server = greeted();
    await using client = await QmpClient.over(server);
    const seen: string[] = [];
    const off = client.on('BLOCK_JOB_READY', ({ data }) => seen.push(data.device));
    const wanted = client.event('BLOCK_JOB_COMPLETED', ({ device }) => device === 'b');
    const all = client.events();
    const job = (device: string): object => ({ type: 'mirror', device, len: 1, offset: 1, speed: 0 });
    server.say({ event: 'BLOCK_JOB_READY', data: job('a'), timestamp: stamp });
    server.say({ event: 'BLOCK_JOB_COMPLETED', data: job('a'), timestamp: stamp });
    server.say({ event: 'BLOCK_JOB_COMPLETED', data: job('b'), timestamp: stamp });
    server.say({ event: 'NEWER', timestamp: stamp });
    expect(await wanted).toEqual({ event: 'BLOCK_JOB_COMPLETED', data: job('b'), timestamp: stamp });
    off();
    server.say({ event: 'BLOCK_JOB_READY', data: job('c'), timestamp: stamp });
    const names: string[] = [];
    for await (const { event, data } of all) {
      names.push(event);
      if (event === 'NEWER') expect(data).toEqual({});
      if (names.length === 5) break;
    }
    expect(names).toEqual(['BLOCK_JOB_READY', 'BLOCK_JOB_COMPLETED', 'BLOCK_JOB_COMPLETED', 'NEWER', 'BLOCK_JOB_READY']);
    expect(seen).toEqual(['a']);
  });

  test('a reader is told of the end, and of events that it did not read', async () => {
    const server = greeted();
    const client = await QmpClient.over(server);
    const read = client.events();
    const lost = client.events();
    for (let at = 0; at < 10_001; at++) server.say({ event: 'E', timestamp: stamp });
    await client.call('after');
    await expect((async () => { for await (const event of lost) void event; })()).rejects.toThrow('More than 10000 events were not read');
    const closing = client.close();
    await expect((async () => { for await (const event of read) void event; })()).rejects.toThrow();
    await closing;
    const none = client.events();
    expect(await none.next()).toEqual({ done: true, value: undefined });
    await expect(client.event('STOP')).rejects.toMatchObject({ failure: 'closed' });
  });
});

describe('what goes wrong', () => {
  const failure = async (promise: Promise<unknown>): Promise<string> => {
    const error: unknown = await promise.then(() => undefined, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(QmpConnectionError);
    return `${(error as QmpConnectionError).failure}: ${(error as Error).message}`;
  };

  test.each([
    ['[]', 'protocol: The server sent something that is no message'],
    ['{"hello": 1}', 'protocol: This is no QMP server: there was no greeting'],
    ['{"QMP": {"version": 3}}', 'protocol: This is no QMP server: there was no greeting'],
    ['HTTP/1.1 400 Bad Request\r\n\r\n', 'protocol: The server sent something that is not JSON'],
  ])('a greeting like %s', async (text, expected) => {
    const server = new FakeServer().say(text);
    expect(await failure(QmpClient.over(server))).toContain(expected);
    expect(server.destroyed).toBe(true);
  });

  test('no greeting at all, in time', async () => {
    expect(await failure(QmpClient.over(new FakeServer(), { timeout: 20 }))).toBe('timeout: The server did not answer within 20 ms');
  });

  test('called off meanwhile', async () => {
    const stop = new AbortController();
    const connecting = QmpClient.over(new FakeServer(), { signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(connecting).rejects.toThrow('enough');
  });

  test('the server goes in the middle: every command is told, and later ones', async () => {
    const server = negotiating((_message, by) => void by.push(null));
    const client = await QmpClient.over(server);
    const event = client.event('STOP');
    expect(await failure(client.call('a'))).toBe('gone: The server closed the connection');
    expect(await failure(event)).toContain('gone');
    expect(await failure(client.call('b'))).toContain('gone');
    expect((await client.closed).failure).toBe('gone');
    await client.close();
  });

  test.each([
    [{ return: {}, id: 77 }, 'The server answered what nobody asked'],
    [{ error: { class: 'GenericError', desc: 'Invalid JSON syntax' } }, 'Invalid JSON syntax'],
  ])('an answer like %j', async (answer, expected) => {
    const client = await QmpClient.over(negotiating((_message, by) => void by.say(answer)));
    expect(await failure(client.call('a'))).toContain(expected);
  });

  test('a value without end is not kept', async () => {
    const client = await QmpClient.over(greeted(), { limits: { maxBytes: 1000 } });
    const server = negotiating((_message, by) => void by.say(`{"return": "${'x'.repeat(5000)}`));
    await client.close();
    const other = await QmpClient.over(server, { limits: { maxBytes: 1000 } });
    expect(await failure(other.call('a'))).toContain('protocol');
  });

  test('nobody listens there', async () => {
    expect(await failure(QmpClient.connect({ path: '/nonexistent/socket' }))).toContain("connect: Failed to connect to '/nonexistent/socket'");
  });
});

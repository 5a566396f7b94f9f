// Commands out of band; and texts that look like JSON to people. Words are those of QEMU 7.2, which was given the same.
import { describe, expect, test } from 'vitest';
import { duplexPair } from './duplex-pair.js';
import { attach, TestClient, testServer, type Message } from './support.js';

const error = (desc: string, errorClass = 'GenericError'): Message => ({ error: { class: errorClass, desc } });

/** A client that has asked for the capability, of a server with a command that takes as long as it is let. */
async function session(): Promise<{ server: Awaited<ReturnType<typeof testServer>>; client: TestClient; letGo: () => void }> {
  const server = await testServer();
  let letGo!: () => void;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  server.dispatcher.addForeign('wait', () => held);
  const client = attach(server, { oob: true });
  expect((await client.reply()).QMP).toMatchObject({ capabilities: ['oob'] });
  await client.execute('qmp_capabilities', { enable: ['oob', 'oob'] });
  return { server, client, letGo };
}

describe('out of band', () => {
  test('goes before what waits, of this client and of others', async () => {
    const { server, client, letGo } = await session();
    const other = await attach(server).negotiate();
    other.send({ execute: 'wait', id: 'other' });
    client.send({ execute: 'wait', id: 1 });
    client.send({ execute: 'query-block', id: 2 });
    client.send("{'exec-oob': 'query-status', 'id': 3}");
    expect(await client.reply()).toMatchObject({ id: 3, return: { running: true } });
    letGo();
    expect(await client.reply()).toEqual({ id: 1, return: {} });
    expect(await client.reply()).toEqual({ id: 2, return: [] });
    await server.close();
  });

  test('ends a server in which a command hangs', async () => {
    const { server, client, letGo } = await session();
    client.send({ execute: 'wait' });
    client.send({ 'exec-oob': 'quit', id: 'q' });
    expect(await client.reply()).toEqual({ id: 'q', return: {} });
    expect((await client.event('SHUTDOWN')).event).toBe('SHUTDOWN');
    letGo();
    await server.closed;
  });

  test.each([
    [{ 'exec-oob': 'query-block', id: 1 }, { id: 1, ...error('The command query-block does not support OOB') }],
    [{ 'exec-oob': 'qmp_capabilities', id: 1 }, { id: 1, ...error('The command qmp_capabilities does not support OOB') }],
    [{ 'exec-oob': 'nope' }, error('The command nope has not been found', 'CommandNotFound')],
    [{ 'exec-oob': 4 }, error("QMP input member 'exec-oob' must be a string")],
    [{ 'exec-oob': 'query-version', execute: 'query-version' }, error("QMP input member 'execute' clashes with 'exec-oob'")],
    [{ 'exec-oob': 'query-version', arguments: 3 }, error("QMP input member 'arguments' must be an object")],
    [{ 'exec-oob': 'query-version', arguments: { x: 1 } }, error("Parameter 'x' is unexpected")],
  ])('%j', async (message, reply) => {
    const { server, client } = await session();
    client.send(message);
    expect(await client.reply()).toEqual(reply);
    await server.close();
  });

  test('is there only for who asked for it, where it is offered', async () => {
    const server = await testServer();
    const offered = attach(server, { oob: true });
    await offered.reply();
    offered.send({ 'exec-oob': 'query-version' });
    expect(await offered.reply()).toEqual(error("QMP input member 'exec-oob' is unexpected"));
    await offered.execute('qmp_capabilities');
    offered.send({ 'exec-oob': 'query-version', id: 5 });
    expect(await offered.reply()).toEqual({ id: 5, ...error("QMP input member 'exec-oob' is unexpected") });
    const plain = attach(server);
    await plain.reply();
    expect(await plain.ask('qmp_capabilities', { enable: ['oob'] })).toEqual(error('Capability oob is not available'));
    await server.close();
  });

  test('of a client that does not read waits its turn like the rest', async () => {
    const server = await testServer();
    const client = attach(server, { oob: true, limits: { maxPending: 4096, maxQueue: 4 } });
    const monitor = [...server.monitors][0];
    await client.reply();
    await client.execute('qmp_capabilities', { enable: ['oob'] });
    client.stream.pause();
    for (let id = 0; id < 500; id++) client.send({ 'exec-oob': 'query-commands', id });
    for (let id = 0; id < 100; id++) server.events.emit('X', { id });
    await new Promise((resolve) => setImmediate(resolve));
    expect(monitor.closed).toBe(false);
    client.stream.resume();
    await client.next((message) => message.id === 499);
    expect(client.messages.filter((message) => 'id' in message)).toHaveLength(499);
    await server.close();
  });

  test('long answers to many of them, asked for at once, do not pile up', async () => {
    const server = await testServer();
    const [near, far] = duplexPair();
    server.addMonitor(far, { oob: true });
    const client = new TestClient(near);
    await client.reply();
    await client.execute('qmp_capabilities', { enable: ['oob'] });
    near.pause();
    const many = 300;
    near.write('{"exec-oob":"query-qmp-schema"}'.repeat(many));
    let most = 0;
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, far.writableLength);
    }
    // What may wait, and the answer that went over it.
    expect(most).toBeLessThan(2 << 20);
    near.resume();
    for (let answer = 0; answer < many; answer++) expect((await client.reply()).return).toBeInstanceOf(Array);
    await server.close();
  });

  test('is told by the description of the commands', async () => {
    const { server, client } = await session();
    const schema = (await client.execute('query-qmp-schema')) as { name: string; 'allow-oob'?: boolean }[];
    expect(schema.filter((entry) => entry['allow-oob'] === true).map(({ name }) => name).sort()).toEqual([
      'query-commands', 'query-events', 'query-qmp-schema', 'query-status', 'query-version', 'quit',
    ]);
    await server.close();
  });
});

describe('what is no JSON', () => {
  test.each([
    ['// x\n', "JSON parse error, stray '/'"],
    ['{"execute":"query-version" /* c */}\n', "JSON parse error, stray '/'"],
    ['{"execute":"query-version", # c\n', "JSON parse error, stray '#'"],
  ])('comments are refused: %j', async (text, desc) => {
    const server = await testServer();
    const client = await attach(server).negotiate();
    client.send(text);
    expect(await client.reply()).toEqual(error(desc));
    client.stream.write(Buffer.from([0xff]));
    client.send({ execute: 'query-status', id: 'after' });
    expect(await client.next(({ id }) => id === 'after')).toHaveProperty('return');
    await server.close();
  });

  test('single quotes are taken, several commands a line, and a command over several', async () => {
    const server = await testServer();
    const client = await attach(server).negotiate();
    client.send("{'execute': 'query-block', 'id': 'it\\'s'} {\"execute\":\n\n\"query-block\",\t'id'\r\n:2}");
    expect([await client.reply(), await client.reply()]).toEqual([{ return: [], id: "it's" }, { return: [], id: 2 }]);
    await server.close();
  });
});

// The conversation: greeting, negotiation, envelopes, ids, pieces of a byte, junk, clients that do not read.
import { PassThrough, Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { attach, testServer, type Message } from './support.js';

const VERSION = { qemu: { micro: 0, minor: 4, major: 2 }, package: expect.stringMatching(/^ \(blk \d/) as string };

const error = (desc: string, errorClass = 'GenericError'): Message => ({ error: { class: errorClass, desc } });
const NOT_YET = error("Expecting capabilities negotiation with 'qmp_capabilities'", 'CommandNotFound');

describe('negotiation', () => {
  test('the greeting tells the version, and no capabilities', async () => {
    await using server = await testServer();
    const client = attach(server);
    expect(await client.reply()).toEqual({ QMP: { version: VERSION, capabilities: [] } });
    expect(client.text).toMatch(/^\{"QMP": \{"version": .*\}\r\n$/);
  });

  test('before it every command, known or not, is refused; after it qmp_capabilities is', async () => {
    await using server = await testServer();
    const client = attach(server);
    await client.reply();
    expect(await client.ask('query-version')).toEqual(NOT_YET);
    expect(await client.ask('nope')).toEqual(NOT_YET);
    expect(await client.ask('qmp_capabilities', { enable: ['oob'] })).toEqual(error('Capability oob is not available'));
    expect(await client.ask('qmp_capabilities', { enable: ['x'] })).toEqual(error("Parameter 'null' does not accept value 'x'"));
    expect(await client.ask('qmp_capabilities')).toEqual({ return: {} });
    expect(await client.ask('qmp_capabilities')).toEqual(error('Capabilities negotiation is already complete, command ignored', 'CommandNotFound'));
    expect(await client.ask('nope')).toEqual(error('The command nope has not been found', 'CommandNotFound'));
    expect(await client.ask('query-version')).toEqual({ return: VERSION });
  });

  test('is each monitor\'s own, and so are events', async () => {
    await using server = await testServer();
    const clients = await Promise.all(Array.from({ length: 20 }, () => attach(server).negotiate()));
    const silent = attach(server);
    await silent.reply();
    server.events.emit('X', { n: 1 });
    for (const client of clients) expect(await client.event('X')).toMatchObject({ event: 'X', data: { n: 1 } });
    expect(await silent.ask('query-version')).toEqual(NOT_YET);
    expect(silent.messages).toEqual([]);
  });
});

describe('requests', () => {
  test.each([
    ['[1]', 'QMP input must be a JSON object'],
    ['1', 'QMP input must be a JSON object'],
    ['"x"', 'QMP input must be a JSON object'],
    ['{"foo": 1}', "QMP input member 'foo' is unexpected"],
    ['{}', "QMP input lacks member 'execute'"],
    ['{"arguments": {}}', "QMP input lacks member 'execute'"],
    ['{"execute": 1}', "QMP input member 'execute' must be a string"],
    ['{"execute": "x", "arguments": []}', "QMP input member 'arguments' must be an object"],
    ['{"execute": "x", "control": {}}', "QMP input member 'control' is unexpected"],
    ['{"exec-oob": "x"}', "QMP input member 'exec-oob' is unexpected"],
    ["{'execute' 'x'}", 'JSON parse error, missing : in object pair'],
  ])('%s is answered: %s', async (text, desc) => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    client.send(`${text}\n`);
    expect(await client.reply()).toEqual(error(desc));
    expect(await client.ask('query-version')).toEqual({ return: VERSION });
  });

  test('give their id back as it was', async () => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    for (const id of ['12345678901234567890', '-9223372036854775808', '{"a": [1, 2.5, null, "\\u00E9"]}', 'null', '""', 'false']) {
      const before = client.text.length;
      client.send(`{"execute": "quux", "id": ${id}}`);
      await client.reply();
      expect(client.text.slice(before)).toBe(`{"id": ${id}, "error": {"class": "CommandNotFound", "desc": "The command quux has not been found"}}\r\n`);
    }
    client.send("{'execute':'query-commands','id':1}{'execute':'query-events','id':2}\n\n{'execute':'nope','id':3}");
    expect([(await client.reply()).id, (await client.reply()).id, (await client.reply()).id]).toEqual([1, 2, 3]);
  });

  test('may come in pieces of one byte', async () => {
    await using server = await testServer();
    const client = attach(server);
    await client.reply();
    for (const char of `{ "execute": 'qmp_capabilities' } {"execute":"query-version","id":"é"}\n`) client.send(char);
    expect(await client.reply()).toEqual({ return: {} });
    expect(await client.reply()).toEqual({ return: VERSION, id: 'é' });
  });

  test('are answered in order, pretty where asked for', async () => {
    await using server = await testServer();
    const client = attach(server, { pretty: true });
    client.send('{"execute": "qmp_capabilities", "id": 7}');
    await server.dispatcher.idle();
    client.stream.end();
    await client.end();
    expect(client.text).toContain('{\r\n'.slice(0, 1) + '\n    "return": {\n    },\n    "id": 7\n}\r\n');
  });

  test('a client that only stops sending still gets its answers', async () => {
    await using server = await testServer();
    const client = attach(server);
    client.stream.end('{"execute":"qmp_capabilities"}{"execute":"query-version"}');
    await client.end();
    expect(client.messages.at(-1)).toEqual({ return: VERSION });
    expect(server.monitors.size).toBe(0);
  });
});

describe('abuse', () => {
  test('1 MiB of [ is one clear error, and the monitor goes on', async () => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    client.send(`${'['.repeat(1 << 20)}\n`);
    expect(await client.reply()).toEqual(error('JSON nesting depth limit exceeded'));
    expect(await client.ask('query-version')).toEqual({ return: VERSION });
  });

  test('a string without an end is cut at the limit', async () => {
    await using server = await testServer();
    const client = await attach(server, { limits: { maxBytes: 10_000 } }).negotiate();
    client.send(`{"execute": "${'x'.repeat(100_000)}`);
    expect(await client.reply()).toEqual(error('JSON token size limit exceeded'));
    client.send('"}\n');
    expect(await client.ask('query-version')).toEqual({ return: VERSION });
  });

  test('bytes that are no UTF-8 are an error, not an end', async () => {
    await using server = await testServer();
    const client = await attach(server).negotiate();
    client.stream.write(Buffer.from('{"execute": "\xff"}\n', 'latin1'));
    expect((await client.reply()).error).toMatchObject({ class: 'GenericError', desc: expect.stringContaining('JSON parse error') as string });
    client.send({ execute: 'query-version', id: 1 });
    expect(await client.next(({ id }) => id === 1)).toEqual({ return: VERSION, id: 1 });
  });

  test('a client that does not read is not read from, misses events, and holds nobody up', async () => {
    await using server = await testServer();
    const idle = attach(server, { limits: { maxPending: 10_000, maxQueue: 4 } });
    const monitor = [...server.monitors][0];
    const other = await attach(server).negotiate();
    idle.send({ execute: 'qmp_capabilities' });
    await idle.reply();
    await idle.reply();
    idle.stream.pause();
    for (let i = 0; i < 3000; i++) idle.send({ execute: 'query-commands', id: i });
    for (let i = 0; i < 2000; i++) server.events.emit('X', { n: i });
    expect(await other.ask('query-version')).toEqual({ return: VERSION });
    await server.dispatcher.idle();
    expect(monitor.missedEvents).toBeGreaterThan(100);
    expect(server.lines).toEqual([expect.stringContaining('it misses events')]);
    // It reads again, and nothing that it asked was lost.
    idle.stream.resume();
    const last = await idle.next((message) => message.id === 2999);
    expect(last).toHaveProperty('return');
    expect(idle.messages.filter((message) => 'id' in message)).toHaveLength(2999);
  });

  test('after any bytes at all, 0xFF makes the monitor listen again', async () => {
    await using server = await testServer();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.json().map((text) => Buffer.from(text))), { maxLength: 6 }), async (pieces) => {
        const client = await attach(server).negotiate();
        for (const piece of pieces) if (piece.length > 0) client.stream.write(piece);
        client.stream.write(Buffer.from([0xff, 0x0a]));
        client.send({ execute: 'query-version', id: 'at last' });
        expect(await client.next(({ id }) => id === 'at last')).toEqual({ return: VERSION, id: 'at last' });
        client.stream.destroy();
      }),
      { seed: 5, numRuns: 200 },
    );
    expect(server.lines).toEqual([]);
  });

  test('while the server ends no command is taken', async () => {
    const server = await testServer();
    const clients = [await attach(server).negotiate(), await attach(server).negotiate()];
    let finish!: () => void;
    server.dispatcher.addForeign('slow', () => new Promise<void>((resolve) => (finish = resolve)));
    clients[0].send({ execute: 'slow', id: 1 });
    await expect.poll(() => typeof finish).toBe('function');
    const closed = server.close();
    expect(await clients[1].ask('query-block')).toEqual(error('The server is shutting down'));
    finish();
    expect(await clients[0].reply()).toEqual({ return: {}, id: 1 });
    await closed;
  });

  test('a handler that breaks is an error to one client and a line in the log', async () => {
    await using server = await testServer();
    server.dispatcher.addForeign('break', () => {
      throw new TypeError('undefined is not a disk');
    });
    const client = await attach(server).negotiate();
    expect(await client.ask('break')).toEqual(error('Internal error: undefined is not a disk'));
    expect(server.lines).toEqual([expect.stringContaining('a command failed unexpectedly')]);
    expect(await client.ask('query-version')).toEqual({ return: VERSION });
  });
});

test('a client with much to do lets others have their turn', async () => {
  await using server = await testServer();
  let done = 0;
  server.dispatcher.addForeign('x-work', () => {
    for (const end = performance.now() + 3; performance.now() < end; );
    done++;
  });
  const readable = new PassThrough();
  // Takes everything at once, as the socket of a client that reads fast.
  const writable = new Writable({
    write: (_chunk, _encoding, taken) => {
      taken();
    },
  });
  server.addMonitor({ readable, writable });
  const fewer: number[] = [];
  readable.write(`{"execute":"qmp_capabilities"}${'{"execute":"x-work"}'.repeat(10)}`);
  while (done < 10) {
    await new Promise((resolve) => setImmediate(resolve));
    fewer.push(done);
  }
  expect(fewer.filter((count) => count > 0 && count < 10).length).toBeGreaterThanOrEqual(5);
});

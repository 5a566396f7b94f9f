// The clock in the hands of a test, as QEMU's -qtest puts it there; once with the program itself over real sockets.
import { createServer as createSocketServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ManualClock } from '@blk/core-graph';
import { run, skipUnless, tempDir } from '@blk/oracle';
import { serveQtest } from '../src/daemon/qtest.js';
import { bundleProgram, connectMonitor, type Program } from './daemon-process.js';
import { duplexPair } from './duplex-pair.js';
import { attach, testServer, type TestClient } from './support.js';

let program: Program;

beforeAll(async () => {
  program = await bundleProgram();
});

afterAll(async () => {
  await program[Symbol.asyncDispose]();
});

interface Owner {
  ask(line: string): Promise<string>;
  readonly stream: NodeJS.WritableStream;
}

function ownerOf(stream: NodeJS.ReadableStream & NodeJS.WritableStream): Owner {
  const lines = createInterface(stream)[Symbol.asyncIterator]();
  return {
    stream,
    async ask(line) {
      stream.write(`${line}\n`);
      return String((await lines.next()).value);
    },
  };
}

describe('the protocol', () => {
  function set(): { clock: ManualClock; owner: Owner } {
    const clock = new ManualClock();
    const [near, far] = duplexPair();
    serveQtest({ readable: far, writable: far }, clock);
    return { clock, owner: ownerOf(near) };
  }

  test('steps to the next timer, by an amount, and to a time', async () => {
    const { clock, owner } = set();
    let ran = 0;
    clock.timer(5, () => ran++);
    expect(await owner.ask('clock_step')).toBe('OK 5000000');
    expect(ran).toBe(1);
    expect(await owner.ask('clock_step')).toBe('OK 5000000');
    expect(await owner.ask('clock_step 1000')).toBe('OK 5001000');
    expect(await owner.ask('clock_step 0x10')).toBe('OK 5001016');
    expect(await owner.ask('clock_set 6000000\r')).toBe('OK 6000000');
    expect(await owner.ask('clock_set 1')).toBe('OK 6000000');
  });

  test('fails for what it does not know, and goes on', async () => {
    const { owner } = set();
    // As QEMU words it; where QEMU ends with an assertion, for numbers that are none, this does not.
    expect(await owner.ask('outb 0 1')).toBe("FAIL Unknown command 'outb'");
    expect(await owner.ask('')).toBe("FAIL Unknown command ''");
    for (const number of ['x', '-5', '1e9', '99999999999999999999']) expect(await owner.ask(`clock_step ${number}`)).toBe(`FAIL Invalid time '${number}'`);
    expect(await owner.ask('clock_set')).toMatch(/^FAIL/);
    expect(await owner.ask('clock_step 1')).toBe('OK 1');
  });

  test('takes lines in pieces, several at once, and answers in their order', async () => {
    const { clock, owner } = set();
    owner.stream.write('clock_');
    owner.stream.write('step 5\nclock_step 5\nclo');
    expect(await owner.ask('ck_step 5')).toBe('OK 5');
    expect(await owner.ask('clock_set 0')).toBe('OK 10');
    expect(await owner.ask('outb')).toBe('OK 15');
    expect(clock.now()).toBe(15);
  });

  test('lets what a timer set going set the next timer, within one step', async () => {
    const { clock, owner } = set();
    const times: number[] = [];
    void (async () => {
      for (let at = 0; at < 5; at++) {
        await new Promise<void>((resolve) => clock.timer(100, resolve));
        times.push(clock.now() / 1e6);
      }
    })();
    expect(await owner.ask('clock_step 1000000000')).toBe('OK 1000000000');
    expect(times).toEqual([100, 200, 300, 400, 500]);
  });
});

test('event rate limits go by the same clock', async () => {
  const clock = new ManualClock();
  const server = await testServer({ host: { clock } });
  const seen: unknown[] = [];
  server.events.subscribe(({ event, data }) => seen.push([event, data]));
  for (const count of [1, 2, 3]) server.events.emit('QUORUM_FAILURE', { reference: 'q', 'sector-num': count, 'sectors-count': 1 });
  expect(seen).toHaveLength(1);
  clock.advance(999_999_999);
  expect(seen).toHaveLength(1);
  clock.advance(1);
  expect(seen.at(-1)).toMatchObject(['QUORUM_FAILURE', { 'sector-num': 3 }]);
  await server.close();
  expect(clock.pending).toBe(0);
});

test('without it the clock is the platform’s', async () => {
  const server = await testServer();
  const client = await attach(server).negotiate();
  expect(server.graph.host.clock.now()).toBeGreaterThan(0);
  await client.execute('query-block');
  await server.close();
});

const tools = skipUnless('qemu-io');

describe.skipIf(tools.skip)(tools.title('the program'), () => {
  async function operations(client: TestClient, wanted: number): Promise<number> {
    for (;;) {
      const [{ stats }] = (await client.execute('query-blockstats')) as { stats: { rd_operations: number } }[];
      if (stats.rd_operations >= wanted) return stats.rd_operations;
    }
  }

  test('connects to the socket, and moves no request on before it is told to', async () => {
    using dir = tempDir();
    const connected = new Promise<Socket>((resolve) => {
      const listener = createSocketServer((socket) => {
        listener.close();
        resolve(socket);
      }).listen(dir.file('qtest'));
    });
    await using server = await program.start([
      '-qtest', `unix:path=${dir.file('qtest')}`,
      '-drive', 'driver=null-co,id=d0,throttling.iops-total=1',
      '-qmp', `unix:${dir.file('qmp')},server,nowait`,
    ]);
    const owner = ownerOf(await connected);
    const client = await connectMonitor(dir.file('qmp'), server);
    await client.execute('nbd-server-start', { addr: { type: 'unix', data: { path: dir.file('nbd') } } });
    await client.execute('nbd-server-add', { device: 'd0' });
    const reads = ['-c', 'read 0 512', '-c', 'read 0 512', '-c', 'read 0 512'];
    const guest = run('qemu-io', ['-r', '-f', 'raw', ...reads, `nbd+unix:///d0?socket=${dir.file('nbd')}`]);
    expect(await operations(client, 1)).toBe(1);
    expect(await owner.ask('clock_step 899999999')).toBe('OK 899999999');
    expect(await operations(client, 1)).toBe(1);
    expect(await owner.ask('clock_step')).toBe('OK 900000000');
    expect(await operations(client, 2)).toBe(2);
    expect(await owner.ask('clock_set 1900000000')).toBe('OK 1900000000');
    expect(await operations(client, 3)).toBe(3);
    expect(await guest).toMatchObject({ code: 0 });
    await client.execute('quit');
    expect(await server.exited).toBe(0);
  });

  test('says so where nobody listens', async () => {
    using dir = tempDir();
    await using server = await program.start(['-qtest', `unix:path=${dir.file('none')}`]);
    expect(await server.exited).toBe(1);
    expect(server.stderr()).toBe(
      `blk-qmp-server: -qtest unix:path=${dir.file('none')}: Failed to connect to '${dir.file('none')}': No such file or directory\n`,
    );
  });
});

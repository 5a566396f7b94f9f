// Servers that lie in any way, in pieces of any size: the right bytes, or an error in words, and the right bytes again from a good one.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { BlockError } from '@blk/core-graph';
import { expectSameBytes, HastyClock, prng, type Prng } from '@blk/driver-conformance';
import { expect, it } from 'vitest';
import { graphOf, openUrl, readAt } from './support.js';

const SIZE = 200_000;
const BYTES = Buffer.from(prng(41).bytes(SIZE));

interface Draft {
  lines: string[];
  body: Buffer;
  before: string;
  after: string;
  ends: boolean;
  /** In a chunk that claims two bytes more than it has. Those two are wrong, which only what follows tells. */
  long: boolean;
  /** Not all of the body is there. */
  cut: boolean;
}

/** Sends the body as a chunk that claims `more` bytes than it has. */
function inChunk(draft: Draft, more: number): void {
  if (!draft.lines.some((line) => line.startsWith('content-length'))) return;
  draft.lines = draft.lines.map((line) => line.replace(/^content-length: .*/, 'transfer-encoding: chunked'));
  draft.body = Buffer.concat([Buffer.from(`${(draft.body.length + more).toString(16)};x\r\n`), draft.body, Buffer.from('\r\n0\r\na: b\r\n\r\n')]);
}

/** Each one makes an answer one that cannot be believed, or one that is odd and right. */
const LIES: readonly ((draft: Draft, random: Prng) => void)[] = [
  (draft) => { draft.lines.push('content-length: 5'); },
  (draft) => { draft.lines.push('transfer-encoding: chunked'); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace(/^content-length: /, 'content-length: -')); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace(/^content-length: /, 'content-length: 99999999999999')); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace(/^content-length: .*/, 'content-length: 10')); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace(/^content-length: (.*)/, (_, length) => `content-length: ${Number(length) + 9}`)); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace(/^content-range: bytes (\d+)/, (_, start) => `content-range: bytes ${Number(start) + 1}`)); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace(/^content-range: bytes (\d+)-(\d+)/, (_, start, end) => `content-range: bytes ${start}-${Number(end) - 1}`)); },
  (draft) => { draft.lines.push('content-range: bytes 0-9/10'); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace('/200000', '/200001')); },
  (draft) => { draft.lines = draft.lines.filter((line) => !line.startsWith('etag')); },
  (draft) => { draft.lines = draft.lines.map((line) => line.replace('"one"', '"two"')); },
  (draft) => { draft.lines.push('content-encoding: br'); },
  (draft, random) => {
    draft.body = draft.body.subarray(0, random.below(draft.body.length));
    draft.cut = true;
  },
  (draft, random) => { draft.lines.push(...Array.from({ length: 1 + random.below(9000) }, (_, i) => `x-${i}: y`)); },
  (draft, random) => { draft.lines.push(`x: ${'y'.repeat(random.below(100_000))}`); },
  (draft) => { draft.lines[0] = 'HTTP/1.1 200 OK'; },
  (draft) => { draft.lines[0] = 'HTTP/3 206'; },
  (draft, random) => { draft.lines.splice(1 + random.below(draft.lines.length), 0, random.pick([' folded', '\t', 'no name', 'a: \0', 'a b: c'])); },
  (draft) => { draft.before = 'HTTP/1.1 100 Continue\r\n\r\n'; },
  (draft) => { draft.before = 'HTTP/1.1 103 Hints\r\na: b\r\n\r\n'.repeat(40); },
  (draft) => { draft.before = '\r\n'; },
  (draft) => { draft.after = 'HTTP/1.1 206 Partial Content\r\ncontent-length: 3\r\n\r\nabc'; },
  (draft) => { draft.after = '\r\n'; },
  (draft) => {
    draft.lines = draft.lines.filter((line) => !line.startsWith('content-length'));
    draft.ends = true;
  },
  (draft) => { inChunk(draft, 0); },
  (draft) => { draft.long = true; },
];

function answerTo(request: string, lies: number, random: Prng): { readonly bytes: Buffer; readonly ends: boolean } {
  const [, first, last] = /range: bytes=(\d+)-(\d+)/i.exec(request) ?? [];
  const start = Number(first);
  const end = Math.min(Number(last) + 1, SIZE);
  const draft: Draft = {
    lines: ['HTTP/1.1 206 Partial Content', `content-range: bytes ${start}-${end - 1}/${SIZE}`, `content-length: ${end - start}`, 'etag: "one"'],
    body: BYTES.subarray(start, end),
    before: '',
    after: '',
    ends: false,
    long: false,
    cut: false,
  };
  for (let i = 0; i < lies; i++) random.pick(LIES)(draft, random);
  if (draft.long) inChunk(draft, 2);
  // What follows would be bytes of the file, for all that a reader can know.
  if (draft.cut) draft.after = '';
  return { bytes: Buffer.concat([Buffer.from(`${draft.before}${draft.lines.join('\r\n')}\r\n\r\n`), draft.body, Buffer.from(draft.after)]), ends: draft.ends || lies > 0 };
}

async function dribble(socket: Socket, bytes: Buffer, random: Prng, ends: boolean): Promise<void> {
  const longest = random.pick([300, 20_000, 300_000]);
  for (let at = 0; at < bytes.length && !socket.destroyed; ) {
    const piece = bytes.subarray(at, at + 1 + random.below(bytes.length > 50_000 ? Math.max(longest, 20_000) : longest));
    at += piece.length;
    await new Promise<void>((resolve) => { socket.write(piece, () => { setImmediate(resolve); }); });
  }
  // An answer that is too short would be waited for until time is up.
  if (ends) socket.end();
}

it('gives no wrong byte, whatever it is told', async () => {
  const outcomes = new Set<string>();
  let right = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const random = prng(seed);
    /** Lies in each answer. */
    let lies = 0;
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      socket.on('data', (chunk: Buffer) => {
        const { bytes, ends } = answerTo(chunk.toString('latin1'), random.below(3) === 0 ? 0 : lies, random);
        void dribble(socket, bytes, prng(random.next()), ends);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const graph = graphOf({ host: new HastyClock().host });
    const node = await openUrl(graph, `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`, { readahead: random.pick([0, 512, 4096]) });
    for (let i = 0; i < 4; i++) {
      lies = i === 3 ? 0 : 1 + random.below(2);
      const offset = random.below(SIZE - 1);
      const length = 1 + random.below(Math.min(SIZE - offset, 70_000));
      try {
        expectSameBytes(await readAt(node, offset, length), BYTES.subarray(offset, offset + length));
        right++;
      } catch (error) {
        if (!(error instanceof BlockError)) throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
        outcomes.add(error.message.replace(/[\d:.]+/g, '…').slice(0, 50));
        if (i === 3) expect(error.kind, `seed ${seed}: ${error.message}`).toBe('corrupt');
      }
    }
    await graph.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
  expect(right).toBeGreaterThan(150);
  expect(outcomes.size).toBeGreaterThan(2);
}, 60_000);

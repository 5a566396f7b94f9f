// Answers in whatever pieces: the same head and the same bytes for all of them, or the same refusal; and nothing without a bound.
import { createServer, type AddressInfo } from 'node:net';
import { request } from 'node:http';
import { expectSameBytes, prng, type Prng } from '@blk/driver-conformance';
import { describe, expect, it } from 'vitest';
import { AnswerParser } from '../src/platform/http1/answer-parser.js';
import { Violation, type Head } from '../src/platform/http1/head.js';

interface Taken {
  readonly head: Head | undefined;
  readonly body: Buffer;
  /** Bytes that were used. */
  readonly used: number;
  /** `over`, `more`, or why it was refused. */
  readonly end: string;
}

/** Feeds `bytes` in pieces of the lengths that `next` gives. */
function take(bytes: Uint8Array, next: () => number = () => Infinity): Taken {
  const parser = new AnswerParser();
  const parts: Uint8Array[] = [];
  let at = 0;
  const result = (end: string): Taken => ({ head: parser.head, body: Buffer.concat(parts), used: at, end });
  try {
    for (let to = 0; to < bytes.length; ) {
      to = Math.min(bytes.length, to + next());
      do {
        const stopped = parser.step(bytes, at, to);
        if (stopped < at || stopped > to) throw new Error(`stopped at ${stopped}, outside of ${at} to ${to}`);
        at = stopped;
        if (parser.found === 'data') parts.push(bytes.subarray(parser.dataStart, parser.dataEnd));
        if (parser.found === 'end') return result('over');
      } while (parser.found !== 'more');
      if (at !== to) throw new Error('there is more');
    }
    return result(parser.mayEnd ? 'over' : 'more');
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    return result(error.message);
  }
}

const between = (random: Prng, least: number, most: number): number => least + random.below(most - least + 1);

const text = (bytes: string): Buffer => Buffer.from(bytes, 'latin1');

/** An answer as a server may send it, and the body in it. */
function randomAnswer(random: Prng, folded = 'Folded: a\r\n  b'): { readonly bytes: Uint8Array; readonly body: Uint8Array; readonly status: number; readonly endless: boolean } {
  const body = Buffer.from(random.bytes(between(random, 0, 300)));
  const status = random.pick([200, 206, 206, 404, 503]);
  const how = random.pick(['length', 'chunks', 'chunks', 'connection'] as const);
  const interim = Array.from({ length: between(random, 0, 3) }, () => random.pick(['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n']));
  const fields = [
    'ETag: "x, y"', `X-${between(random, 0, 9)}:${' '.repeat(between(random, 0, 3))}v${'\t'.repeat(between(random, 0, 2))}`, 'Empty:', folded,
    ...(how === 'length' ? [`Content-Length: ${body.length}`] : how === 'chunks' ? ['Transfer-Encoding: Chunked'] : []),
  ];
  const head = `HTTP/1.1 ${status}${random.pick(['', ' ', ' Some words'])}\r\n${fields.map((field) => `${field}\r\n`).join('')}\r\n`;
  const chunks: Buffer[] = [];
  for (let at = 0; how === 'chunks' && at < body.length; ) {
    const part = body.subarray(at, at + between(random, 1, 100));
    at += part.length;
    chunks.push(text(`${random.pick(['', '0', '000'])}${part.length.toString(16)}${random.pick(['', ';x=y', ' ; "z"'])}\r\n`), part, text('\r\n'));
  }
  if (how === 'chunks') chunks.push(text(`0\r\n${random.pick(['', 'Trailer: 1\r\n'])}\r\n`));
  return { bytes: Buffer.concat([text(interim.join('') + head), ...(how === 'chunks' ? chunks : [body])]), body, status, endless: how === 'connection' };
}

function mutated(bytes: Uint8Array, random: Prng): Uint8Array {
  const copy = Buffer.from(bytes);
  const at = between(random, 0, copy.length - 1);
  switch (between(random, 0, 4)) {
    case 0:
      copy[at] = between(random, 0, 255);
      return copy;
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([copy.subarray(0, at), text(random.pick(['\r\n', '\n', ' ', '0', ':', 'Content-Length: 7\r\n', 'Transfer-Encoding: chunked\r\n', '\0'])), copy.subarray(at)]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(at + between(random, 1, 9))]);
    default:
      return Buffer.concat([copy.subarray(0, at), copy]);
  }
}

describe('an answer', () => {
  it('is the same in whatever pieces it comes, and what follows is left', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = prng(seed);
      const { bytes, body, status, endless } = randomAnswer(random);
      const more = endless ? Buffer.alloc(0) : text('HTTP/1.1 200 OK\r\n\r\nwhat nobody asked for');
      for (const longest of [1, 7, 1000]) {
        const taken = take(Buffer.concat([bytes, more]), () => between(random, 1, longest));
        expect({ seed, end: taken.end, status: taken.head?.status, used: taken.used }).toEqual({ seed, end: 'over', status, used: bytes.length });
        expectSameBytes(taken.body, body);
        expect(taken.head?.fields.get('folded')).toBe('a b');
        expect(taken.head?.fields.get('empty')).toBe('');
        expect(taken.head?.fields.get('etag')).toBe('"x, y"');
      }
    }
  });

  it('that was tampered with is refused, or taken, in the same way in whatever pieces it comes', () => {
    for (let seed = 1; seed <= 2000; seed++) {
      const random = prng(seed);
      const bytes = mutated(randomAnswer(random).bytes, random);
      const whole = take(bytes);
      const pieces = take(bytes, () => between(random, 1, 20));
      expect({ seed, end: pieces.end, status: pieces.head?.status }).toEqual({ seed, end: whole.end, status: whole.head?.status });
      expect(pieces.head?.fields).toEqual(whole.head?.fields);
      expect(pieces.body.equals(whole.body), `seed ${seed}`).toBe(true);
    }
  });

  it('that is filled in from elsewhere goes on behind it', () => {
    const parser = new AnswerParser();
    const bytes = text('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n');
    expect(parser.step(bytes, 0, bytes.length)).toBe(bytes.length - 3);
    parser.step(bytes, bytes.length - 3, bytes.length);
    expect([parser.found, parser.left]).toEqual(['more', 5]);
    parser.filled(3);
    expect(parser.left).toBe(2);
    parser.filled(2);
    expect(parser.left).toBe(0);
    const rest = text('\r\n0\r\n\r\n');
    expect([parser.step(rest, 0, rest.length), parser.found]).toEqual([rest.length, 'end']);
  });
});

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`;

describe('is refused:', () => {
  it.each<readonly [string, string]>([
    ['HTTP/2 200\r\n', 'it does not begin with a status'],
    ['HTTP/1.2 200 OK\r\n', 'it does not begin with a status'],
    ['HTTP/1.1 20 OK\r\n', 'it does not begin with a status'],
    ['HTTP/1.1  200 OK\r\n', 'it does not begin with a status'],
    ['HTTP/1.1 2000 OK\r\n', 'it does not begin with a status'],
    ['HTTP/1.1 099 OK\r\n', 'it does not begin with a status'],
    ['\r\nHTTP/1.1 200 OK\r\n', 'it does not begin with a status'],
    ['SSH', 'it does not begin with a status'],
    ['HTTP/1.1 200 OK\n', 'a line does not end as lines do'],
    [`${OK}a: b\n`, 'a line does not end as lines do'],
    [`${OK}a: b\rc: d\r\n`, 'its head has control characters'],
    [`${OK}a: b\0\r\n`, 'its head has control characters'],
    [`${OK}a : b\r\n`, 'its head has a line without a name'],
    [`${OK}: b\r\n`, 'its head has a line without a name'],
    [`${OK}words\r\n`, 'its head has a line without a name'],
    [`${OK} a: b\r\n`, 'its head goes on before it has begun'],
    ...['-5', '+5', '0x5', '5.0', '1e3', '', ' ', '5, 5', '9'.repeat(16), '5 5', '\u00b5'].map((length) => [`${OK}content-length: ${length}\r\n\r\n`, 'its length is none'] as const),
    [`${OK}content-length: 5\r\n 6\r\n\r\n`, 'its length is none'],
    [`${OK}content-length: 5\r\ncontent-length: 6\r\n`, 'it tells its length more than once'],
    [`${OK}content-length: 5\r\nContent-Length: 5\r\n`, 'it tells its length more than once'],
    [`${OK}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n`, 'it has both a length and a transfer coding'],
    [`${OK}transfer-encoding: gzip, chunked\r\n\r\n`, 'it has a transfer coding that was not asked for'],
    [`${OK}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`, 'it has a transfer coding that was not asked for'],
    [`${OK}transfer-encoding: xchunked\r\n\r\n`, 'it has a transfer coding that was not asked for'],
    ['HTTP/1.1 101 Switching Protocols\r\n\r\n', 'it goes on in another protocol'],
    [`${CHUNKED}\r\n`, 'a chunk has no size'],
    [`${CHUNKED}g\r\n`, 'a chunk has no size'],
    [`${CHUNKED}-1\r\n`, 'a chunk has no size'],
    [`${CHUNKED}0x5\r\n`, 'a chunk has no size'],
    [`${CHUNKED}${'f'.repeat(13)}\r\n`, 'a chunk has no size'],
    [`${CHUNKED}5\nabcde`, 'a line does not end as lines do'],
    [`${CHUNKED}5\r\nabcdef\r\n`, 'a chunk is longer than it says'],
    [`${CHUNKED}5\r\nabcd\r\n0\r\n`, 'a line does not end as lines do'],
  ])('%j', (answer, message) => {
    expect(take(text(answer)).end).toMatch(message);
  });

  it('what has no end, after bytes that can be counted', () => {
    const floods: readonly (readonly [string, string, string])[] = [
      ['HTTP/1.1 200 ', 'x', 'its head is too long'],
      [OK, 'x', 'its head is too long'],
      [OK, 'a: b\r\n', 'its head is too long'],
      [OK, ' \r\n', 'its head goes on before it has begun'],
      [`${OK}a: b\r\n`, ` ${' '.repeat(1000)}x\r\n`, 'its head is too long'],
      ['', 'HTTP/1.1 100 Continue\r\n\r\n', 'it never comes to the point'],
      [CHUNKED, '0', 'a chunk has no size'],
      [`${CHUNKED}5;`, 'x', 'a chunk has no size'],
      [`${CHUNKED}1\r\nx`, 'x', 'a chunk has no size'],
      [`${CHUNKED}0\r\n`, 'a: b\r\n', 'its head is too long'],
    ];
    for (const [begin, flood, message] of floods) {
      const taken = take(text(begin + flood.repeat(Math.ceil(200_000 / flood.length))), () => 1000);
      expect([begin, taken.end]).toEqual([begin, message]);
      expect(taken.used).toBeLessThanOrEqual(66_000);
    }
  });

  it('nothing, however many spaces a value has', () => {
    const taken = take(text(`${OK}a: ${' '.repeat(30_000)}x${' '.repeat(30_000)}\r\ncontent-length: 0\r\n\r\n`));
    expect([taken.end, taken.head?.fields.get('a')]).toEqual(['over', 'x']);
  });
});

it('agrees with the client of Node wherever both take an answer', async () => {
  let bytes: Uint8Array = new Uint8Array(0);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => { socket.end(bytes); });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const byNode = (): Promise<{ readonly status: number; readonly body: Buffer } | undefined> => new Promise((resolve) => {
    const asked = request({ port, host: '127.0.0.1', agent: false }, (message) => {
      const parts: Buffer[] = [];
      message.on('data', (chunk: Buffer) => parts.push(chunk));
      message.on('error', () => { resolve(undefined); });
      message.on('close', () => { resolve(message.complete ? { status: message.statusCode ?? 0, body: Buffer.concat(parts) } : undefined); });
    });
    asked.on('error', () => { resolve(undefined); });
    asked.on('close', () => { resolve(undefined); });
    asked.end();
  });
  let both = 0;
  for (let seed = 5000; seed < 5300; seed++) {
    const random = prng(seed);
    // Lines that go on are taken as of old by us, and by Node not at all.
    const answer = randomAnswer(random, 'Folded: a b').bytes;
    bytes = seed % 3 === 0 ? answer : mutated(answer, random);
    const ours = take(bytes);
    const theirs = await byNode();
    if (ours.end !== 'over' || theirs === undefined) continue;
    both++;
    expect({ seed, status: ours.head?.status }).toEqual({ seed, status: theirs.status });
    expect(ours.body.equals(theirs.body), `seed ${seed}: ${Buffer.from(bytes).toString('latin1')}`).toBe(true);
  }
  expect(both).toBeGreaterThan(100);
  await new Promise((resolve) => server.close(resolve));
});

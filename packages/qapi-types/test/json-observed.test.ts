/** What qemu-storage-daemon 7.2 answers to odd input on a monitor, recorded; ours has to find the same values and errors. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { JsonStream, stringify, type JsonValue } from '../src/json.js';

interface Observed {
  /** One character a byte. */
  readonly bytes: string;
  readonly gives: readonly { readonly error?: string; readonly value?: true; readonly id?: string }[];
}

const path = new URL('fixtures/json-observed.json', import.meta.url);
const observed = JSON.parse(readFileSync(path, 'utf8')) as Observed[];

/** Where we differ on purpose, and why. */
const ours: Readonly<Record<string, Observed['gives']>> = {
  // Overlong UTF-8 is refused; QEMU takes this one for a NUL.
  '{"execute":"\xc0\x80"}': [{ error: 'JSON parse error, invalid UTF-8 sequence in string' }],
  // The whole text is decoded before its escapes are looked at.
  '"\\\xc3"': [{ error: 'JSON parse error, invalid UTF-8 sequence in string' }],
  // QEMU prints `inf`, which no JSON parser reads.
  '{"execute":"x","id":1e400}': [{ value: true, id: '1e999' }],
  // QEMU's members come in the order of a hash table.
  '{"execute":"x","id":{"z":1,"a":2,"m":[],"q":{}}}': [{ value: true, id: '{"z": 1, "a": 2, "m": [], "q": {}}' }],
};

function outcomes(bytes: Uint8Array, piece: number): Observed['gives'] {
  const found: { error?: string; value?: true; id?: string }[] = [];
  const stream = new JsonStream({
    onValue: (value: JsonValue) => {
      const id = typeof value === 'object' && value !== null && !Array.isArray(value) && 'id' in value ? value.id : undefined;
      found.push(id === undefined ? { value: true } : { value: true, id: stringify(id) });
    },
    onError: (error) => found.push({ error: error.desc }),
  });
  for (let at = 0; at < bytes.length; at += piece) stream.push(bytes.subarray(at, at + piece));
  return found;
}

test.each(observed)('$bytes', ({ bytes, gives }) => {
  const input = Uint8Array.from(`${bytes}\n`, (char) => char.charCodeAt(0));
  const wanted = ours[bytes] ?? gives;
  for (const piece of [input.length, 1, 3]) expect(outcomes(input, piece)).toMatchObject(wanted);
});

import { createServer } from 'node:net';
import { symlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { isListening, tempDir } from '../src/index.js';

test('a socket that listens is told from a file, and from one that does not', async () => {
  using dir = tempDir();
  const path = dir.file('socket');
  expect(isListening(path)).toBe(false);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  expect(isListening(path)).toBe(true);
  symlinkSync('nowhere', dir.file('other'));
  expect(isListening(dir.file('other'))).toBe(false);
  await new Promise((resolve) => server.close(resolve));
  expect(isListening(path)).toBe(false);
});

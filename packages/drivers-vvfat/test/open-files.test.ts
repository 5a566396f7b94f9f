// Small files are read on the event loop as long as the host has them in memory.
import { lstatSync, writeFileSync } from 'node:fs';
import { tempDir } from '@blk/oracle';
import { expect, test } from 'vitest';
import { HostFolder } from '../src/host/host-folder.js';
import { fileIdentity } from '../src/host/identity.js';
import { OpenFiles } from '../src/host/open-files.js';
import { NO_CLUSTERS, type FileNode, type FolderNode } from '../src/tree.js';

const time = { date: 0, time: 0 };

test('two slow files in a row have the next 64 read in the background, a single one does not', async () => {
  using dir = tempDir();
  writeFileSync(dir.file('file'), 'content');
  const parent: FolderNode = { kind: 'folder', name: '', parent: undefined, identity: '', modified: time, children: new Map(), firstCluster: 0 };
  const identity = fileIdentity(lstatSync(dir.file('file'), { bigint: true }));
  const file: FileNode = { kind: 'file', name: 'file', parent, identity, size: 7, modified: time, chain: NO_CLUSTERS };
  const root = await HostFolder.openRoot(dir.path);
  /** Each reading looks at the clock before and behind. */
  let [takes, now] = [0, 0];
  const files = new OpenFiles(root, () => (now += takes));
  const read = async (milliseconds: number): Promise<'now' | 'later'> => {
    takes = milliseconds;
    const buffer = Buffer.alloc(7);
    const done = files.read(file, 0, buffer, 0, 7);
    if (done !== undefined) await done;
    expect(buffer.toString()).toBe('content');
    return done === undefined ? 'now' : 'later';
  };
  const all = async (times: readonly number[]): Promise<string[]> => {
    const how: string[] = [];
    for (const each of times) how.push(await read(each));
    return how;
  };
  try {
    expect(await all([1, 6, 5, 6, 1])).toEqual(['now', 'now', 'now', 'now', 'now']);
    expect(await all([6, 6, ...Array<number>(64).fill(0), 1])).toEqual(['now', 'now', ...Array<string>(64).fill('later'), 'now']);
    // The host is still slow when it is tried again.
    expect(await all([6, 6, ...Array<number>(64).fill(0), 6, 0])).toEqual(['now', 'now', ...Array<string>(64).fill('later'), 'now', 'later']);
  } finally {
    await files.close();
    root.close();
  }
});

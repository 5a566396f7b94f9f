import { skipUnless, qemuImg, run, tempDir } from '@blk/oracle';
import { describe, expect, it } from 'vitest';
import { Backend, Permission, runTransaction, replaceBacking, replaceChild, reaches, type BlockNode, type GraphAction } from '../src/index.js';
import { failure, gate, MemFile, noise, setup, turn, type Setup } from './support.js';

async function cowOver(made: Setup, name: string, nodeName: string, backing: string | null = null): Promise<BlockNode> {
  await made.graph.create(`mem:${name}`, { format: 'cow', size: 8192 });
  return made.graph.open({ driver: 'cow', 'node-name': nodeName, file: { driver: 'mem', filename: `mem:${name}`, 'node-name': `${nodeName}-file` }, backing });
}

describe('permissions', () => {
  it('let users share, unless one objects', async () => {
    const { graph } = setup();
    const node = await graph.open({ driver: 'mem', mem: new MemFile(100), 'node-name': 'n' });
    const first = Backend.over(graph, node, { name: 'a', writable: true });
    const second = Backend.over(graph, node, { name: 'b', writable: true });
    const message =
      "Permission conflict on node 'n': permissions 'write' are both required by block device 'a' (uses node 'n' as 'root' child)" +
      " and unshared by an unnamed block device (uses node 'n' as 'root' child).";
    expect((await failure(() => Backend.over(graph, node, { shared: Permission.ConsistentRead })))?.message).toBe(message);
    await first.close();
    await second.close();
    const alone = Backend.over(graph, node, { name: 'c', shared: Permission.ConsistentRead });
    expect(await failure(() => Backend.over(graph, node, { writable: true }))).toMatchObject({
      kind: 'busy',
      message:
        "Permission conflict on node 'n': permissions 'write' are both required by an unnamed block device (uses node 'n' as 'root' child)" +
        " and unshared by block device 'c' (uses node 'n' as 'root' child).",
    });
    expect(node.parents.size).toBe(1);
    await alone.close();
    expect(node.closed).toBe(false);
    await graph.close();
  });

  it('keep others from writing the file of a format, and from using it in two formats', async () => {
    const made = setup();
    const { graph } = made;
    const top = await cowOver(made, 'x', 'q');
    const file = graph.node('q-file');
    expect((await failure(() => Backend.over(graph, file, { writable: true })))?.message).toBe(
      "Permission conflict on node 'q-file': permissions 'write' are both required by an unnamed block device (uses node 'q-file' as 'root' child)" +
        " and unshared by node 'q' (uses node 'q-file' as 'file' child).",
    );
    expect((await failure(() => graph.open({ driver: 'cow', 'node-name': 'r', file: 'q-file' })))?.message).toBe(
      "Permission conflict on node 'q-file': permissions 'write, resize' are both required by node 'q' (uses node 'q-file' as 'file' child)" +
        " and unshared by node 'r' (uses node 'q-file' as 'file' child).",
    );
    expect(file.parents.size).toBe(1);
    const reader = Backend.over(graph, file);
    await reader.close();
    await graph.release(top);
    expect(file.closed).toBe(true);
  });

  const tools = skipUnless('qemu-storage-daemon', 'qemu-img');
  it.skipIf(tools.skip)(tools.title('speaks of conflicts as the reference does'), async () => {
    using dir = tempDir();
    await qemuImg('create', '-q', '-f', 'qcow2', dir.file('x'), '1M');
    const shared = ['--blockdev', `file,node-name=q-file,filename=${dir.file('x')}`, '--blockdev', 'qcow2,node-name=q,file=q-file'];
    const { stderr } = await run('qemu-storage-daemon', [...shared, '--blockdev', 'qcow2,node-name=r,file=q-file']);
    expect(stderr).toContain(
      "Permission conflict on node 'q-file': permissions 'write, resize' are both required by node 'q' (uses node 'q-file' as 'file' child)" +
        " and unshared by node 'r' (uses node 'q-file' as 'file' child).",
    );
  });

  it('go down through filters, and stop at read-only nodes', async () => {
    const { graph } = setup();
    const node = await graph.open({ driver: 'plain', 'node-name': 'p', file: { driver: 'mem', mem: new MemFile(100), 'node-name': 'f' } });
    const file = graph.node('f');
    const edge = node.storage;
    expect(edge?.access.permissions).toBe(0);
    const other = Backend.over(graph, file, { writable: true, shared: Permission.ConsistentRead | Permission.WriteUnchanged });
    expect((await failure(() => Backend.over(graph, node, { writable: true })))?.kind).toBe('busy');
    expect(edge?.access.permissions).toBe(0);
    await other.close();
    const backend = Backend.over(graph, node, { writable: true });
    expect(edge?.access.permissions).toBe(Permission.ConsistentRead | Permission.Write);
    await backend.close();
    expect(edge?.access.permissions).toBe(0);
    const readOnly = await graph.open({ driver: 'mem', mem: new MemFile(1), 'read-only': true });
    expect((await failure(() => Backend.over(graph, readOnly, { writable: true })))?.kind).toBe('read-only');
    await graph.close();
  });

  it('are asked for a resize, and given back', async () => {
    const { graph } = setup();
    const node = await graph.open({ driver: 'mem', mem: new MemFile(100) });
    const backend = Backend.over(graph, node, { writable: true });
    let told = 0;
    backend.onResize = () => told++;
    await backend.truncate(200);
    expect([node.size, told, backend.edge?.access.permissions]).toEqual([200, 1, Permission.ConsistentRead | Permission.Write]);
    const fixed = Backend.over(graph, node, { shared: Permission.All & ~Permission.Resize });
    expect((await failure(() => backend.truncate(300)))?.kind).toBe('busy');
    expect(node.size).toBe(200);
    await fixed.close();
    await graph.close();
  });
});

describe('drained sections', () => {
  it('wait for what is under way above and below, hold back what comes, and let it go afterwards', async () => {
    const made = setup();
    const { graph } = made;
    const file = new MemFile(4096);
    const node = await graph.open({ driver: 'plain', file: { ...file.definition, 'node-name': 'f' } });
    const backend = Backend.over(graph, node, { writable: true });
    const hold = gate();
    file.before = () => hold.promise;
    const order: string[] = [];
    const before = (async () => {
      await backend.write(0, noise(10), 0, 10);
      order.push('before');
    })();
    const section = graph.drained([graph.node('f')], async () => {
      order.push('section');
      expect(node.requests.inFlight).toBe(0);
      await graph.drained([node], () => {
        order.push('inner');
      });
      await turn();
      order.push('end');
    });
    const after = (async () => {
      await backend.read(0, new Uint8Array(10), 0, 10);
      order.push('after');
    })();
    await turn();
    expect(order).toEqual([]);
    hold.open();
    await Promise.all([before, section, after]);
    expect(order).toEqual(['before', 'section', 'inner', 'end', 'after']);
    await backend.close();
    await graph.close();
  });

  it('end also where they fail', async () => {
    const { graph } = setup();
    const node = await graph.open(new MemFile(100).definition);
    const backend = Backend.over(graph, node);
    await expect(graph.drained([node], () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(backend.read(0, new Uint8Array(1), 0, 1)).toBeUndefined();
    await graph.close();
  });
});

describe('transactions', () => {
  it('prepare all, then commit all; or abort those prepared, last first', async () => {
    const log: string[] = [];
    const action = (name: string, fails = false): GraphAction => ({
      prepare: async () => {
        await turn();
        log.push(`prepare ${name}`);
        if (fails) throw new Error(name);
      },
      commit: () => void log.push(`commit ${name}`),
      abort: () => void log.push(`abort ${name}`),
    });
    await runTransaction([action('a'), action('b')]);
    await expect(runTransaction([action('c'), action('d'), action('e', true), action('f')])).rejects.toThrow('e');
    expect(log).toEqual(['prepare a', 'prepare b', 'commit a', 'commit b', 'prepare c', 'prepare d', 'prepare e', 'abort d', 'abort c']);
  });

  it('give an image another backing file, and take it away', async () => {
    const made = setup();
    const { graph } = made;
    const one = await graph.open({ driver: 'mem', mem: new MemFile(noise(8192, 1)), 'read-only': true });
    const two = await graph.open({ driver: 'mem', mem: new MemFile(noise(8192, 2)), 'read-only': true });
    const top = await cowOver(made, 'x', 'top');
    const first = async (): Promise<number> => {
      const byte = new Uint8Array(1);
      await top.read(0, byte, 0, 1);
      return byte[0];
    };
    expect(await first()).toBe(0);
    await runTransaction([replaceBacking(top, one)]);
    expect(await first()).toBe(noise(1, 1)[0]);
    await runTransaction([replaceBacking(top, two)]);
    expect([await first(), one.parents.size, two.parents.size]).toEqual([noise(1, 2)[0], 0, 1]);
    const fails: GraphAction = {
      prepare: () => {
        throw new Error('no');
      },
      commit: () => undefined,
      abort: () => undefined,
    };
    await expect(runTransaction([replaceBacking(top, one), fails])).rejects.toThrow('no');
    expect([await first(), one.parents.size, two.parents.size]).toEqual([noise(1, 2)[0], 0, 1]);
    await expect(runTransaction([replaceBacking(top, undefined), fails])).rejects.toThrow('no');
    expect([await first(), two.parents.size]).toEqual([noise(1, 2)[0], 1]);
    await runTransaction([replaceBacking(top, undefined)]);
    expect([await first(), top.backing, two.parents.size]).toEqual([0, undefined, 0]);
    await graph.close();
  });

  it('refuse cycles and conflicts, with nothing changed', async () => {
    const made = setup();
    const { graph } = made;
    const top = await cowOver(made, 'x', 'top');
    const middle = await cowOver(made, 'y', 'middle');
    await runTransaction([replaceBacking(top, middle)]);
    expect(reaches(top, middle)).toBe(true);
    expect((await failure(() => runTransaction([replaceBacking(middle, top)])))?.message).toBe(
      "Making 'top' a backing child of 'middle' would create a cycle",
    );
    const edge = top.storage;
    const file = graph.node('middle-file');
    const own = edge?.node;
    expect((await failure(() => runTransaction(edge ? [replaceChild(edge, file)] : [])))?.kind).toBe('busy');
    expect([edge?.node, own?.parents.size, file.parents.size]).toEqual([own, 1, 1]);
    const writer = Backend.over(graph, middle, { writable: false });
    expect((await failure(async () => writer.setAccess({ permissions: Permission.Write, shared: Permission.All })))?.kind).toBe('busy');
    await writer.close();
    await graph.close();
  });
});

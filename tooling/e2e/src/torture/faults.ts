// Images whose file fails now and then: each of some requests once, at some moment of the driver's work.
import { qemuImg, type Prng } from '@blk/oracle';

/** Moments that come up while guests and jobs are at work; those of the node itself come up in every format. */
const MOMENTS = [
  'l2_load', 'l2_update', 'l2_alloc.write', 'refblock_load', 'refblock_update_part', 'refblock_alloc', 'cluster_alloc', 'cluster_free',
  'cow_read', 'cow_write', 'read_aio', 'write_aio', 'flush_to_os', 'flush_to_disk', 'pwritev', 'pwritev_zero', 'pwritev_done',
] as const;
const RULES = 8;
const EIO = 5;
const ENOSPC = 28;

/** The definition of `filename` on a file that fails. */
export function faultyFile(filename: string, random: Prng): Record<string, unknown> {
  const rules = Array.from({ length: RULES }, () => ({
    event: random.pick(MOMENTS),
    errno: random.pick([EIO, EIO, ENOSPC]),
    once: true,
    immediately: random.below(2) === 0,
  }));
  // However the run goes, there is one that comes.
  const first = { event: 'none', iotype: 'write', errno: EIO, once: true };
  return { driver: 'blkdebug', 'inject-error': [first, ...rules], image: { driver: 'file', filename } };
}

/** Makes an overlay whose file fails; its definition for `blockdev-add`, to be put over `below` by `blockdev-snapshot`. */
export async function faultyOverlay(filename: string, below: { readonly file: string; readonly format: string; readonly size: number }, random: Prng): Promise<Record<string, unknown>> {
  const cluster = random.pick([512, 4096, 65536]);
  const { code, stderr } = await qemuImg('create', '-q', '-f', 'qcow2', '-o', `cluster_size=${cluster}`, '-u', '-b', below.file, '-F', below.format, filename, String(below.size));
  if (code !== 0) throw new Error(stderr);
  return { driver: 'qcow2', discard: 'unmap', backing: '', file: faultyFile(filename, random) };
}

/** `info block` and its like: devices and nodes described for people, in QEMU's lines. */
import type { BlockDeviceInfo, BlockInfo, ImageInfo } from '@blk/qapi-types';
import { humanSize } from '@blk/image';

/** The lines about one device, its image described in full where `verbose` is set. */
export function deviceLines(info: BlockInfo, verbose: boolean): string {
  const { inserted } = info;
  const name = inserted === undefined ? info.device : titled(info.device, inserted['node-name']);
  const state = info['io-status'] === undefined || info['io-status'] === 'ok' ? '' : `    I/O status:       ${info['io-status']}\n`;
  const removable = info.removable
    ? `    Removable device: ${info.locked ? '' : 'not '}locked, tray ${info.tray_open === true ? 'open' : 'closed'}\n`
    : '';
  if (inserted === undefined) return `${name}: [not inserted]\n${state}${removable}`;
  return `${name}: ${imageLine(inserted)}\n${state}${removable}${imageLines(inserted, verbose)}`;
}

/** The lines about one node. */
export function nodeLines(node: BlockDeviceInfo, verbose: boolean): string {
  return `${node['node-name'] ?? ''}: ${imageLine(node)}\n${imageLines(node, verbose)}`;
}

function titled(device: string, node: string | undefined): string {
  if (device === '') return node ?? '';
  return node === undefined ? device : `${device} (${node})`;
}

function imageLine({ file, drv, ro, encrypted }: BlockDeviceInfo): string {
  return `${file} (${drv}${ro ? ', read-only' : ''}${encrypted ? ', encrypted' : ''})`;
}

function imageLines(node: BlockDeviceInfo, verbose: boolean): string {
  const { cache } = node;
  const mode = [cache.writeback ? 'writeback' : 'writethrough', ...(cache.direct ? ['direct'] : []), ...(cache['no-flush'] ? ['ignore flushes'] : [])];
  let text = `    Cache mode:       ${mode.join(', ')}\n`;
  if (node.backing_file !== undefined) text += `    Backing file:     ${node.backing_file} (chain depth: ${node.backing_file_depth})\n`;
  if (node.detect_zeroes !== 'off') text += `    Detect zeroes:    ${node.detect_zeroes}\n`;
  text += throttleLine(node);
  return verbose ? `${text}\nImages:\n${imagesText(node.image)}` : text;
}

const LIMITS = ['bps', 'bps_rd', 'bps_wr', 'bps_max', 'bps_rd_max', 'bps_wr_max', 'iops', 'iops_rd', 'iops_wr', 'iops_max', 'iops_rd_max', 'iops_wr_max', 'iops_size', 'group'] as const;

function throttleLine(node: BlockDeviceInfo): string {
  const limited = [node.bps, node.bps_rd, node.bps_wr, node.iops, node.iops_rd, node.iops_wr].some((limit) => limit !== 0);
  if (!limited) return '';
  const shown = LIMITS.map((name) => ` ${name}=${name === 'group' ? (node.group ?? '') : String(node[name] ?? 0)}`);
  return `    I/O throttling:  ${shown.join('')}\n`;
}

function imagesText(image: ImageInfo): string {
  let text = '';
  for (let at: ImageInfo | undefined = image; at !== undefined; at = at['backing-image']) text += imageText(at);
  return text;
}

function imageText(image: ImageInfo): string {
  const size = Number(image['virtual-size']);
  const taken = image['actual-size'];
  const lines = [
    `image: ${image.filename}`,
    `file format: ${image.format}`,
    `virtual size: ${humanSize(size)} (${size} bytes)`,
    `disk size: ${taken === undefined ? 'unavailable' : humanSize(Number(taken))}`,
    ...(image.encrypted === true ? ['encrypted: yes'] : []),
    ...(image['cluster-size'] === undefined ? [] : [`cluster_size: ${image['cluster-size']}`]),
    ...(image['dirty-flag'] === true ? ['cleanly shut down: no'] : []),
    ...backingLines(image),
    ...specificLines(image['format-specific']),
  ];
  return `${lines.join('\n')}\n`;
}

function backingLines(image: ImageInfo): string[] {
  const { 'backing-filename': name, 'full-backing-filename': full, 'backing-filename-format': format } = image;
  if (name === undefined) return [];
  const actual = full === undefined || full === name ? '' : ` (actual path: ${full})`;
  return [`backing file: ${name}${actual}`, ...(format === undefined ? [] : [`backing file format: ${format}`])];
}

function specificLines(specific: { readonly data?: unknown } | undefined): string[] {
  return specific?.data === undefined ? [] : ['Format specific information:', ...membersOf(specific.data as Record<string, unknown>, 4)];
}

/** The order in which QEMU has the members of qcow2; others come behind. */
const ORDER = ['compat', 'compression-type', 'lazy-refcounts', 'refcount-bits', 'corrupt', 'extended-l2'];

function membersOf(data: Readonly<Record<string, unknown>>, indent: number): string[] {
  const names = [...ORDER.filter((name) => Object.hasOwn(data, name)), ...Object.keys(data).filter((name) => !ORDER.includes(name))];
  return names.flatMap((name) => {
    const label = `${' '.repeat(indent)}${name.replaceAll('-', ' ')}:`;
    const value = data[name];
    if (typeof value !== 'object' || value === null) return [`${label} ${String(value)}`];
    return [label, ...membersOf(value as Record<string, unknown>, indent + 4)];
  });
}

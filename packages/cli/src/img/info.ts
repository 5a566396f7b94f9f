/** `info`: what an image is. */
import { chainInfo, imageInfo, type ImageInfo, type ImageSnapshot, type InfoOptions } from '@blk/image';
import { BRIEF, makeGraph } from '../graph.js';
import { sourceOf } from '../settings.js';
import { jsonText, shortSize } from '../text.js';
import { ExitError } from '../tool.js';
import { COMMON, FORMAT_OF_OPTIONS, oneFile, Options, outputStyle, type ImgCommand } from './command.js';
import { specs } from './getopt.js';
import { snapshotList, type ListedSnapshot } from './snapshot-list.js';

export const info: ImgCommand = {
  name: 'info',
  synopsis: '[-f fmt] [--output=human|json] [--backing-chain] [-U] [--image-opts] [--untrusted] filename',
  summary: 'describes an image',
  details: `  -f, --format=FMT     format of the image; recognised by its content unless given
  --output=STYLE       human (default) or json
  --backing-chain      describes its backing files as well
  -U, --force-share    looks at it even while another program writes to it
  --image-opts         filename is a list of options: driver=qcow2,file.filename=x
  --untrusted          follows no reference out of the image and guesses no format
`,
  options: [...COMMON, ...specs('f:format= :output= :backing-chain U:force-share')],

  async run(tool, parsed) {
    const options = new Options(parsed);
    const filename = oneFile(options);
    const style = outputStyle(options);
    const format = options.get('format');
    const imageOpts = options.has('image-opts');
    if (imageOpts && format !== undefined) throw new ExitError(1, FORMAT_OF_OPTIONS);
    const graph = makeGraph(tool, { untrusted: options.has('untrusted'), host: BRIEF });
    const request: InfoOptions = {
      ...(format === undefined ? {} : { format }),
      ...(options.has('force-share') ? { forceShare: true } : {}),
      signal: tool.io.signal,
    };
    const source = sourceOf(filename, imageOpts);
    const chain = options.has('backing-chain');
    const images = chain ? await chainInfo(graph, source, request) : [await imageInfo(graph, source, request)];
    if (style === 'json') tool.io.out(jsonText(chain ? images.map(ordered) : ordered(images[0])));
    else tool.io.out(images.map(humanInfo).join('\n'));
    return 0;
  },
};

/** The order in which the reference tools print the members. */
const ORDER = [
  'backing-filename-format', 'snapshots', 'virtual-size', 'filename', 'cluster-size', 'format', 'actual-size', 'compressed',
  'format-specific', 'full-backing-filename', 'encrypted', 'backing-filename', 'dirty-flag',
] as const satisfies readonly (keyof ImageInfo)[];

function ordered(info: ImageInfo): Record<string, unknown> {
  const values = info as unknown as Record<string, unknown>;
  const found = Object.fromEntries(ORDER.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]));
  if (info.snapshots !== undefined) found['snapshots'] = info.snapshots.map((snapshot) => inOrder(snapshot));
  return found;
}

const SNAPSHOT_ORDER = [
  'icount', 'vm-clock-nsec', 'name', 'date-sec', 'date-nsec', 'vm-clock-sec', 'id', 'vm-state-size',
] as const satisfies readonly (keyof ImageSnapshot)[];

function inOrder(snapshot: ImageSnapshot): Record<string, unknown> {
  return Object.fromEntries(SNAPSHOT_ORDER.filter((name) => snapshot[name] !== undefined).map((name) => [name, snapshot[name]]));
}

export function humanInfo(info: ImageInfo): string {
  const backing = info['backing-filename'];
  const full = info['full-backing-filename'];
  const path = full === undefined || full === backing ? '' : ` (actual path: ${full})`;
  const lines = [
    `image: ${info.filename}`,
    `file format: ${info.format}`,
    `virtual size: ${shortSize(info['virtual-size'])} (${info['virtual-size']} bytes)`,
    `disk size: ${info['actual-size'] === undefined ? 'unavailable' : shortSize(info['actual-size'])}`,
    ...(info.encrypted === true ? ['encrypted: yes'] : []),
    ...(info['cluster-size'] === undefined ? [] : [`cluster_size: ${info['cluster-size']}`]),
    ...(info['dirty-flag'] === true ? ['cleanly shut down: no'] : []),
    ...(backing === undefined ? [] : [`backing file: ${backing}${path}`]),
    ...(info['backing-filename-format'] === undefined ? [] : [`backing file format: ${info['backing-filename-format']}`]),
  ];
  const specific = info['format-specific'];
  const { snapshots } = info;
  const list = snapshots === undefined ? '' : `Snapshot list:\n${snapshotList(snapshots.map(listed))}`;
  return `${lines.join('\n')}\n${list}${specific === undefined ? '' : specificLines(specific.data)}`;
}

function listed(snapshot: ImageSnapshot): ListedSnapshot {
  const { id, name, icount } = snapshot;
  return {
    id,
    name,
    vmStateSize: snapshot['vm-state-size'],
    dateSec: snapshot['date-sec'],
    vmClockNsec: BigInt(snapshot['vm-clock-sec']) * 1_000_000_000n + BigInt(snapshot['vm-clock-nsec']),
    icount: icount === undefined ? undefined : BigInt(icount),
  };
}

/** What only this format has, a line each: dashes become blanks. */
export function specificLines(data: Readonly<Record<string, unknown>>): string {
  return `Format specific information:\n${members(data, '    ')}`;
}

function members(data: object, indent: string): string {
  return Object.entries(data)
    .map(([name, value]: [string, unknown]) => {
      const label = `${indent}${Array.isArray(data) ? `[${name}]` : name.replaceAll('-', ' ')}:`;
      if (typeof value === 'object' && value !== null) return `${label}\n${members(value, `${indent}    `)}`;
      return `${label} ${String(value)}\n`;
    })
    .join('');
}

// Every qcow2 option in combination: made, described, written, converted to and checked.
import { prng, type Prng } from '@blk/oracle';
import { quote } from '../words.js';

const SCENARIOS = 120;

const CLUSTERS = ['512', '1k', '2k', '4k', '8k', '16k', '32k', '64k', '128k', '256k', '512k', '1M', '2M'] as const;
const WIDTHS = [1, 2, 4, 8, 16, 32, 64] as const;
const SIZES = ['0', '1', '512', '513', '64k', '100000', '1M', '1000000', '3M', '33M'] as const;

/** Options of one new image, some of which exclude each other. */
export function randomOptions(random: Prng): string[] {
  const maybe = (text: string, one: number): string[] => (random.below(one) === 0 ? [text] : []);
  return [
    ...maybe(`compat=${random.pick(['0.10', '1.1', 'v2', 'v3'])}`, 3),
    `cluster_size=${random.pick(CLUSTERS)}`,
    ...maybe(`refcount_bits=${random.pick(WIDTHS)}`, 2),
    ...maybe('lazy_refcounts=on', 4),
    ...maybe(`preallocation=${random.pick(['off', 'metadata', 'falloc', 'full'])}`, 3),
    ...maybe(`compression_type=${random.pick(['zlib', 'zstd'])}`, 4),
    ...maybe('extended_l2=on', 4),
    ...maybe(`data_file=d,data_file_raw=${random.pick(['on', 'off'])}`, 8),
  ];
}

export function options(): string {
  const random = prng(1);
  return Array.from({ length: SCENARIOS }, (_, i) => {
    const text = quote(randomOptions(random).join(','));
    const size = random.pick(SIZES);
    const backed = random.below(4) === 0 && !text.includes('data_file');
    const from = random.pick(['r.raw', 'top.qcow2']);
    const lines = [
      `== options ${i}: ${text} ${size} [written]`,
      'use basic',
      `qemu-img create -f qcow2 -o ${text} ${backed ? '-b a.qcow2 -F qcow2 ' : ''}n ${size}`,
      'qemu-img info n',
      'qemu-img info --output=json n',
      'qemu-img map --output=json n',
      `qemu-io -f qcow2 -c "write -P 1 0 1k" -c "write -P 2 ${random.below(60_000)} ${1 + random.below(300_000)}" -c "write -z 64k 32k" n`,
      'qemu-img map --output=json n',
      `qemu-img convert ${random.below(3) === 0 ? '-c ' : ''}-O qcow2 -o ${quote(randomOptions(random).join(',').replace(/,?data_file=d,data_file_raw=o\w+/, ''))} ${from} o`,
      `qemu-img compare ${from} o`,
    ];
    return lines.join('\n');
  }).join('\n');
}

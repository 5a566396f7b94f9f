// Random histories of one image: writes of every kind, discards, resizes, and looks at it between them.
import { prng, type Prng } from '@blk/oracle';
import { quote } from '../words.js';
import { randomOptions } from './options.js';

const SCENARIOS = 80;
const SIZE = 3 * 1024 * 1024;

export function histories(): string {
  return Array.from({ length: SCENARIOS }, (_, seed) => {
    const random = prng(1000 + seed);
    const backed = random.below(3) === 0;
    const list = randomOptions(random).filter((option) => !option.startsWith('data_file') && !(backed && option.startsWith('preallocation')));
    const start = [
      `== history ${seed} [written]`,
      'use basic',
      `qemu-img create -f qcow2 -o ${quote(list.join(','))} ${backed ? '-b a.qcow2 -F qcow2 ' : ''}d ${SIZE}`,
    ];
    // Compressed clusters come first: the reference does not put them where something is.
    const places = Array.from({ length: 40 }, (_, i) => i).filter(() => random.below(8) === 0);
    if (places.length > 0 && !list.some((option) => option.startsWith('preallocation'))) start.push(`qemu-io -f qcow2 ${places.map((i) => `-c "write -c -P ${1 + i} ${i * 65536} 64k"`).join(' ')} d`);
    return [...start, ...Array.from({ length: 4 }, () => step(random)), 'qemu-img map --output=json d', 'qemu-img convert d o'].join('\n');
  }).join('\n');
}

function step(random: Prng): string {
  if (random.below(6) === 0) {
    const size = 512 * random.below(10_000);
    return `qemu-img resize --shrink d ${size}`;
  }
  const commands = Array.from({ length: 1 + random.below(6) }, () => command(random));
  const flags = [random.below(5) === 0 ? '-n' : '', random.below(5) === 0 ? '-d ignore' : ''].filter((flag) => flag !== '').join(' ');
  return `qemu-io -f qcow2 ${flags === '' ? '' : `${flags} `}${commands.map((text) => `-c "${text}"`).join(' ')} d`;
}

/** One command. Places are near borders of clusters as often as not. */
function command(random: Prng): string {
  const unit = random.pick([1, 512, 4096, 65536]);
  const offset = unit * random.below(Math.ceil(SIZE / unit));
  const length = 1 + random.below(random.pick([100, 5_000, 200_000, 1_000_000]));
  switch (random.below(8)) {
    case 0:
      return `read ${offset} ${length}`;
    case 1:
      return `write -z ${offset} ${length}`;
    case 2:
      return `write -z -u ${offset} ${length}`;
    case 3:
      return `discard ${offset} ${length}`;
    case 4:
      return 'length';
    case 5:
      return `writev -P ${random.below(256)} ${offset} 512 1k ${length}`;
    default:
      return `write -P ${random.below(256)} ${offset} ${length}`;
  }
}

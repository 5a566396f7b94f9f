// Disks in several copies that are not the same: random votes of quorum, pairs of blkverify, copies that fail or are shorter than the others.
import { prng, type Prng } from '@blk/oracle';

const QUORUMS = 150;
const PAIRS = 40;
const SIZE = 16 * 1024;

export function votes(): string {
  return [
    ...Array.from({ length: QUORUMS }, (_, seed) => quorum(seed)),
    ...Array.from({ length: PAIRS }, (_, seed) => pair(seed)),
  ].join('\n');
}

function quorum(seed: number): string {
  const random = prng(3000 + seed);
  const count = 2 + random.below(4);
  const names = Array.from({ length: count }, (_, at) => `c${at}`);
  const fifo = random.below(5) === 0;
  // Now and then more than there are.
  const threshold = 1 + random.below(random.below(10) === 0 ? count + 2 : count);
  const options = [
    'driver=quorum',
    `vote-threshold=${threshold}`,
    ...(fifo ? ['read-pattern=fifo'] : random.below(3) === 0 ? ['rewrite-corrupted=on'] : []),
    ...(random.below(8) === 0 ? [`blkverify=${random.pick(['on', 'off'])}`] : []),
    ...names.map((name, at) => child(random, `children.${at}`, name)),
  ];
  return scenario(`quorum ${seed}`, random, names, options, 3 + random.below(4));
}

/** A scenario of each line: blkverify of the reference ends its process at the first difference. It can't write zeroes. */
function pair(seed: number): string {
  const random = prng(4000 + seed);
  const options = ['driver=blkverify', child(random, 'test', 'c0'), child(random, 'raw', 'c1')];
  return scenario(`blkverify ${seed} [each]`, random, ['c0', 'c1'], options, 1).replaceAll('write -z', 'write -P 0');
}

/** What looks at all of it comes first: tools that ask in other pieces get other votes, and holes that are made later cut pieces. */
function scenario(title: string, random: Prng, names: readonly string[], options: readonly string[], requests: number): string {
  const node = options.join(',');
  // An error of a sector hits whatever touches the sector, in the reference only what has its first byte.
  const whole = node.includes('.sector=');
  const lines = Array.from({ length: 3 }, () => {
    const commands = Array.from({ length: requests }, () => `-c "${request(random, whole)}"`).join(' ');
    const how = random.below(8) === 0 ? '-r' : `-t ${random.pick(['writeback', 'writethrough'])}`;
    return `qemu-io ${how} --image-opts ${commands} ${node}`;
  });
  const all = random.pick([`convert --image-opts ${node} -O raw o`, `compare --image-opts ${node} driver=raw,file.filename=c0`]);
  return [`== ${title}`, ...contents(random, names), `qemu-img map --output=json --image-opts ${node}`, `qemu-img ${all}`, ...new Set(lines)].join('\n');
}

/** Mostly a file; else one whose reads or writes fail, always or once. */
function child(random: Prng, name: string, file: string): string {
  if (random.below(4) !== 0) return `${name}.driver=file,${name}.filename=${file}`;
  const debug = `${name}.file`;
  const rule = `${debug}.inject-error.0`;
  const event = random.pick(['read_aio', 'write_aio', 'flush_to_disk']);
  const when = random.below(3) === 0 ? `,${rule}.once=on` : random.below(3) === 0 ? `,${rule}.sector=${random.below(SIZE / 512)}` : '';
  return `${name}.driver=raw,${debug}.driver=blkdebug,${debug}.image.driver=file,${debug}.image.filename=${file},`
    + `${rule}.event=${event},${rule}.errno=${random.pick([5, 28])}${when}`;
}

/** The same bytes in all copies but for a few ranges; once in a while one is shorter. */
function contents(random: Prng, names: readonly string[]): string[] {
  const lines = names.map((name) => `fill ${name} 0 ${random.below(40) === 0 ? SIZE - 512 : SIZE} 1`);
  for (let ranges = random.below(5); ranges > 0; ranges--) {
    const offset = random.below(SIZE - 1024);
    const length = 1 + random.below(1000);
    const odd = names.filter(() => random.below(2) === 0);
    lines.push(...odd.map((name) => `fill ${name} ${offset} ${length} ${2 + random.below(2)}`));
  }
  return lines;
}

function request(random: Prng, whole: boolean): string {
  const unit = random.pick(whole ? [512, 4096] : [1, 512, 4096]);
  const offset = unit * random.below(SIZE / unit - 1);
  const length = Math.min(SIZE - offset, unit * (1 + random.below(4)));
  switch (random.below(10)) {
    case 0:
      return `write -P ${4 + random.below(3)} ${offset} ${length}`;
    case 1:
      return `write -z ${offset} ${length}`;
    case 2:
      return 'flush';
    case 3:
      return `discard ${offset} ${length}`;
    case 4:
      return `read -v 0 ${SIZE}`;
    case 5:
      return `read -P 1 ${offset} ${length}`;
    default:
      return `read -v ${offset} ${length}`;
  }
}

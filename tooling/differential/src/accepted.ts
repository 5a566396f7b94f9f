// The differences that are meant to be. Each is listed with the same reason in docs/compatibility.md; one that no longer
// occurs has to go, which the run insists on.
import type { Difference } from './run-scenario.js';

export interface Accepted {
  readonly id: string;
  /** One sentence for docs/compatibility.md. */
  readonly reason: string;
  /** Command lines that it may occur at. */
  readonly line: RegExp;
  /** Which part: `code`, `stdout`, `stderr`, or a file and what of it differs; default any. */
  readonly part?: RegExp;
  /** What that part is on our side, and on theirs; default anything. */
  readonly ours?: RegExp;
  readonly theirs?: RegExp;
  /** What the command says as errors on our side, and on theirs; default anything. */
  readonly ourErrors?: RegExp;
  readonly theirErrors?: RegExp;
}

export const ACCEPTED: readonly Accepted[] = [
  {
    id: 'help',
    reason: 'Help is in our words: the same options, explained for each command by itself.',
    line: /./,
    part: /^stdout$/,
    ours: /^usage: |^Usage: |^qemu-\w+ version 7\.2\.0 \(blk|^\w+ .* -- /,
    theirs: /^qemu-\w+ version 7\.2|^Usage: |\n\n Example:\n|^Changes the|^\w+ .* -- /,
  },
  {
    id: 'other-formats',
    reason: 'Images of formats that this version does not have are refused by the name of the format.',
    line: /-[fO] (qcow|vmdk|luks)\b/,
    ourErrors: /Unknown (driver|file format) '/,
  },
  {
    id: 'reference-aborts',
    reason: 'Where the reference ends with an abort, ours says what is wrong and ends with 1.',
    line: /./,
    ourErrors: /^qemu-\w+: /,
    theirErrors: /^ended by SIGABRT/,
  },
  {
    id: 'large-sizes',
    reason: 'Sizes end at 2^53 - 1 bytes (8 PiB), up to which numbers are exact; decision 2 has the reasons.',
    line: /./,
    ourErrors: /beyond the limit of 9007199254740991|not between 0 and 9007199254740991/,
  },
  {
    id: 'damage-is-seen-at-once',
    reason:
      'An image whose tables reach beyond its end, or whose header has bits set that must not be, is refused when it is opened, or its damage is told; the reference may read zeroes there.',
    line: /./,
    ourErrors: /beyond the end of the file|offset invalid|Image is too big|Image is corrupt/,
  },
  {
    id: 'rest-of-a-sector',
    reason: 'A disk whose size in the header is no multiple of 512 bytes is shown with its last bytes; the reference leaves them out.',
    line: / d$/,
    part: /^(stdout|code)$/,
    ours: /virtual size: (512 B|64 KiB|64\.5 KiB)|"length": (\d\d?|\d{3}|65535|65537)[,}]/,
    theirs: /virtual size: (0 B|63\.5 KiB|64 KiB)|"length": (0|65024|65536)[,}]/,
  },
  {
    id: 'hexadecimal-with-suffix',
    reason: 'A hexadecimal size takes no suffix; the reference takes one and warns that it will not for long.',
    line: /0x10k/i,
  },
  {
    id: 'letters-in-a-row',
    reason: 'An unknown option among letters in a row is named by its letter; the reference names the word before.',
    line: /info -ZU|-1k$/,
    part: /^stderr$/,
    ours: /unrecognized option '-.'/,
    theirs: /unrecognized option '/,
  },
  {
    id: 'short-option-without-value',
    reason: 'A word of image options that is neither an option nor a device is refused as such; the reference takes it for a switch, and warns.',
    line: /--image-opts x,y$/,
    part: /^stderr$/,
  },
  {
    id: 'old-data-behind-the-end',
    reason: 'What was cut off by shrinking inside a cluster does not come back when the image grows again: it reads as zeroes.',
    line: /read -P 0 100k 1M/,
  },
  {
    id: 'nothing-left-behind',
    reason: 'A command that fails before it has written anything leaves no new file behind, even where the reference leaves an empty one.',
    line: /./,
    part: /^files$/,
    ours: /^(?!.* [no]( |$))/,
    theirs: / [no]( |$)/,
  },
  {
    id: 'repair-in-place',
    reason: 'Repair sets wrong reference counts in the tables that are there; the reference builds new ones. See below.',
    line: /^qemu-img check -r all (--output=json )?d$/,
    theirErrors: /Rebuilding refcount structure/,
  },
  {
    id: 'stored-zeroes',
    reason:
      'Zeroes written to a part of a cluster may be stored where the reference drops the cluster, or the other way round. What a guest reads is the same.',
    line: /^qemu-img map --output=json [nd]$/,
    part: /^stdout$/,
    ours: /^\{"start"/,
    theirs: /^\{"start"/,
  },
  {
    id: 'compressed-over-data',
    reason: 'A compressed write may replace what is there; the reference writes compressed clusters only where nothing was.',
    line: /write -c/,
    part: /^(code|stdout)$/,
    theirs: /^1$|write failed: Input\/output error/,
  },
  {
    id: 'strict-compare',
    reason: 'compare -s names the offset where the allocation begins to differ; the reference may name the beginning of the range before it.',
    line: /^qemu-img compare -s /,
    part: /^stdout$/,
    ours: /block status mismatch/,
    theirs: /block status mismatch/,
  },
  {
    id: 'info-with-other-backing',
    reason: 'info takes definitions that name another backing file; the reference refuses the option.',
    line: /^qemu-img info .*backing/,
    theirErrors: /does not support the option 'backing/,
  },
];

/** The rule that covers a difference. */
export function acceptedBy(difference: Difference, rules: readonly Accepted[] = ACCEPTED): Accepted | undefined {
  const { line, part, ours, theirs, outcomes } = difference;
  return rules.find(
    (rule) =>
      rule.line.test(line) &&
      (rule.part?.test(part) ?? true) &&
      (rule.ours?.test(ours) ?? true) &&
      (rule.theirs?.test(theirs) ?? true) &&
      (rule.ourErrors?.test(outcomes?.ours.stderr ?? '') ?? true) &&
      (rule.theirErrors?.test(outcomes?.theirs.stderr ?? '') ?? true),
  );
}

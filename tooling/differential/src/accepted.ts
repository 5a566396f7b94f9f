// The differences that are meant to be. Each is listed with the same reason in docs/compatibility.md; one that no longer
// occurs has to go, which the run insists on.
import { IN_FILTERS } from './accepted-filters.js';
import type { Difference } from './run-scenario.js';

export interface Accepted {
  readonly id: string;
  /** One sentence for docs/compatibility.md. */
  readonly reason: string;
  /** Scenarios that it may occur in, by title; default any. */
  readonly scenario?: RegExp;
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
    id: 'reference-aborts',
    reason: 'Where the reference ends with an abort or a fault, ours says what is wrong and ends with 1.',
    line: /./,
    ourErrors: /^qemu-\w+: /,
    theirErrors: /^ended by SIG(ABRT|SEGV)/,
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
    ours: /^(?!(.* )?[no]( |$))/,
    theirs: /(^| )[no]( |$)/,
  },
  {
    id: 'no-image-that-none-can-open',
    reason:
      'An image that could not be opened afterwards is refused: vmdk of no bytes or, sparse, of more than 1 PiB; parallels with a catalog that is too large; backing formats that there are none of. The reference may make it.',
    line: /(create|convert) .*(vmdk|parallels|-F bogus)/,
    ourErrors: /cannot be zero length|too large for (this cluster size|file format 'vmdk')|Unknown driver/,
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
    id: 'shared-zeroes-in-version-2',
    reason: 'amend to compat=0.10 keeps clusters of zeroes that snapshots share in order; the reference leaves images that its own check calls corrupt.',
    scenario: /^amend both ways|zeroes that snapshots share/,
    line: / s\.qcow2$/,
    theirs: /OFLAG_COPIED|4 errors were found|^2$|refcount of 3/,
  },
  {
    id: 'bitmaps-in-version-2',
    reason: 'amend to compat=0.10 takes the bitmaps, which version 2 has not, out of the image; the reference leaves them behind as leaks.',
    line: /^qemu-img amend -o compat=0\.10 b\.qcow2$/,
    part: /^b\.qcow2: (info|check)$/,
    theirs: /v2 image contains bitmaps/,
  },
  {
    id: 'zstd-in-version-2',
    reason: 'amend to compat=0.10 is refused for an image with zstd compression, which version 2 has not; the reference drops the mark, and with it what compressed clusters hold.',
    line: /^qemu-img amend -o compat=0\.10 z\.qcow2$/,
  },
  {
    id: 'check-needs-no-key',
    reason: 'check looks at the metadata of encrypted images without their key, as nothing of that is encrypted; the reference asks for it.',
    line: /^qemu-img check /,
    theirErrors: /'encrypt\.key-secret' is required for cipher/,
  },
  {
    id: 'incomplete-base64',
    reason: 'The data of a secret in base64 that is cut short is refused as such; the reference takes what there is.',
    line: /format=base64/,
    ourErrors: /Base64 data is not valid/,
  },
  {
    id: 'usage-of-measure',
    reason: 'A wrong command line of measure ends with 1 and words as of the other commands; the reference prints all of its help and ends with 0.',
    line: /^qemu-img measure (-Z|--bogus|-O|--size)$/,
  },
  {
    id: 'listens-when-all-is-open',
    reason: 'A server listens when its image is open, and so the warning about a guessed format comes before a socket that cannot be; the reference listens first.',
    line: /^qemu-nbd -k \$DIR\/none\/s d\.raw$/,
    part: /^stderr$/,
  },
  {
    id: 'pid-file',
    reason: 'A server takes its pid file away when it ends; the reference leaves it.',
    line: /^kill pid$/,
    part: /^files$/,
    theirs: / pid$/,
  },
  {
    id: 'socket-labels',
    reason: 'Labels of SELinux for sockets are refused as such.',
    line: /^qemu-nbd --selinux-label=/,
    part: /^stderr$/,
  },
  {
    id: 'fewer-warnings',
    reason: 'Of a guessed format there is one warning, and only where the image is opened for writing; the reference warns twice, or where it writes nothing.',
    line: /^qemu-img (snapshot|amend -o help) /,
    part: /^stderr$/,
    theirs: /^WARNING: Image format was not specified/,
  },
  {
    id: 'raw-mark-without-data-file',
    reason: 'An image that is marked as having a raw data file, and has none, is refused by info as by all others; the reference shows it there.',
    line: /^qemu-img info /,
    ourErrors: /data-file-raw requires a data file/,
  },
  {
    id: 'sizes-of-no-file',
    reason: 'A size that no file can have is refused before the image is looked at, or in the words of the host.',
    line: /resize .*(3[pP]|8E|7\.9999999999E|8388608T|8192P|9223372036854775(296|807|808))$|18446744073709551615( n)?$/,
    part: /^stderr$/,
  },
  {
    id: 'refused-before-it-is-made',
    reason: 'A file whose new size is refused stays as it was; the reference empties it first.',
    line: /^qemu-img create -q (n|-o size=7E n)( 7E)?$/,
    part: /^n: size$/,
  },
  {
    id: 'holes-of-data-files',
    reason: 'Data in a file of its own is mapped as data; the reference looks for holes in it where the image itself takes little space on its disk.',
    scenario: /data file|holes of data files/,
    line: /^qemu-img map .*df\.qcow2$/,
    part: /^stdout$/,
  },
  {
    id: 'length-of-data-file',
    reason: 'A data file is as long as the disk; the reference makes it end with a whole cluster where space is taken ahead of time.',
    scenario: /^options |data file/,
    line: /./,
    part: /^[dx]: size$/,
  },
  {
    id: 'snapshots-beside-a-data-file',
    reason: 'info lists the snapshots of an image that is marked as having a data file; the reference leaves them out.',
    line: /^qemu-img info /,
    part: /^stdout$/,
    ours: /^Snapshot list:/m,
    theirs: /^(?![^]*Snapshot list:)/,
  },
  {
    id: 'damage-ends-reading',
    reason: 'A read that meets a damaged table ends with an error; the reference may show the bytes of another table.',
    scenario: /header/,
    line: /^qemu-io -r /,
    part: /^stdout$/,
    ours: /^read failed: Input\/output error$/m,
  },
  {
    id: 'host-device-by-name',
    reason: 'An image of the format host_device is refused as one that cannot be made; the reference looks for the device first.',
    line: /^qemu-img create -f host_device /,
    part: /^stderr$/,
  },
  {
    id: 'info-with-other-backing',
    reason: 'info takes definitions that name another backing file; the reference refuses the option.',
    line: /^qemu-img info .*backing/,
    theirErrors: /does not support the option 'backing/,
  },
  {
    id: 'beyond-the-file',
    reason: 'Clusters that lie behind the end of a file that was cut short, or have a place that can not be, are mapped as data, and reading them fails; the reference maps zeroes, and converts them as such.',
    line: /^qemu-img map .*--output=json/,
    part: /^stdout$/,
    ours: /"zero": false, "data": true/,
    theirs: /"present": true, "zero": true, "data": true/,
  },
  ...IN_FILTERS,
];

/** The rule that covers a difference. */
export function acceptedBy(difference: Difference, rules: readonly Accepted[] = ACCEPTED): Accepted | undefined {
  const { scenario, line, part, ours, theirs, outcomes } = difference;
  return rules.find(
    (rule) =>
      (rule.scenario?.test(scenario) ?? true) &&
      rule.line.test(line) &&
      (rule.part?.test(part) ?? true) &&
      (rule.ours?.test(ours) ?? true) &&
      (rule.theirs?.test(theirs) ?? true) &&
      (rule.ourErrors?.test(outcomes?.ours.stderr ?? '') ?? true) &&
      (rule.theirErrors?.test(outcomes?.theirs.stderr ?? '') ?? true),
  );
}

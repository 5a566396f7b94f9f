/** Where checks of damaged images differ from the reference's, on purpose; docs/compatibility.md has the reasons. */

export interface Difference {
  /** Of the image, the damage, and the way of checking. */
  readonly damage: RegExp;
  readonly verdict: RegExp;
}

/** Lines, refusals and results of one format, for whatever damage. */
function of(format: string, ...verdicts: readonly RegExp[]): readonly Difference[] {
  return verdicts.map((verdict) => ({ damage: new RegExp(`^${format}, `), verdict }));
}

/** What ours finds as well. */
const finds = (format: string, ...lines: readonly string[]): readonly Difference[] => of(format, ...lines.map((line) => new RegExp(`^finds: (ERROR|Repairing):? ${line}`)));
/** What ours does not open. */
const refuses = (format: string, ...words: readonly string[]): readonly Difference[] => of(format, ...words.map((word) => new RegExp(`^refuses(:| with:) qemu-img: Could not open '[^']*': ${word}`)));

const QED: readonly Difference[] = [
  // Of a cluster that the end of the file cuts, it keeps nothing; it sees whole sectors only.
  { damage: /^qed.*length = /, verdict: /^(prints|reads otherwise|ends with [0-3], the reference with [0-3])/ },
  { damage: /^qed.*header size = 0/, verdict: /^ends with 0, the reference with 3/ },
  { damage: /^qed.*table size = 1/, verdict: /QED table offset is invalid/ },
  ...refuses('qed', 'Could not open backing file: The file name .* contains a NUL character'),
];

const VDI: readonly Difference[] = [
  ...finds('vdi', 'block index \\d+ reaches to', 'allocated blocks reach to', 'allocated blocks, \\d+ are in use'),
  ...refuses(
    'vdi', 'invalid VDI image \\((data offset|header size|block map|block size)', 'unsupported VDI image \\((image type|undo image|differencing image|\\d+ bytes of metadata)',
    'Image not in VDI format \\(\\d+ bytes',
  ),
  ...of('vdi', /^opens what the reference refuses: .*unsupported VDI image \(block size \d+ is not 1048576\)/),
];

const PARALLELS: readonly Difference[] = [
  ...finds(
    'parallels', 'cluster \\d+ (lies where another one does|lies over the header|lies across others|is cut short|is outside image)',
    'data offset of', 'space leaked at the end',
  ),
  // Of damage that it does not see nothing is left to be said; its leaks are gone.
  ...of('parallels', /^ends with 2, then the reference finds 0/),
  { damage: /^parallels.*header: extension = /, verdict: /^(repaired, and not read by the reference|ends with 0, then .*Wrong parallels Format Extension magic)/ },
  // It cuts the file at the data offset, and reads its own catalog as data.
  { damage: /^parallels.*header: data offset = cut by the end, -r, all/, verdict: /^reads otherwise/ },
  { damage: /^parallels, old kind, entry \d+ = (1|half a cluster on), -r, all/, verdict: /^reads otherwise/ },
  ...of('parallels', /^does not find: (ERROR|Repairing) space leaked at the end/, /^opens what the reference refuses: .*Wrong parallels Format Extension magic/),
  ...refuses('parallels', 'Invalid image: (data offset of|catalog of|catalog reaches to|state of use|Format Extension lies)', 'Image of \\d+ sectors is too large'),
];

const VHDX: readonly Difference[] = [
  ...refuses(
    'vhdx',
    'Block \\d+ (has the state|at \\d+ reaches beyond)', 'The log is corrupt', 'The .* of \\d+ bytes cannot lie at', 'Unsupported version \\d+ of the VHDX', 'The block at \\d+ lies over',
    'A disk of \\d+ bytes (has no whole sectors|is beyond the limit)', 'The image had \\d+ bytes when its log was written',
  ),
  // One of two copies is enough.
  ...of('vhdx', /^opens what the reference refuses/),
];

const VMDK: readonly Difference[] = [
  ...finds(
    'vmdk', 'cluster offset for sector', 'the redundant grain table', 'cluster for sector \\d+( lies over the tables| shares its place|: Grain)', 'two grains share the place',
    'grain table \\d+ is in one of the two directories', 'the (redundant )?grain directory is damaged',
  ),
  // It ends at its first finding; of compressed grains ours says more.
  { damage: /^vmdk, compressed/, verdict: /^does not find: ERROR: cluster offset for sector/ },
  ...of('vmdk', /^does not find: qemu-img: Check failed: Invalid argument/, /^finds: qemu-img: warning: The grain directory is damaged/),
  ...refuses(
    'vmdk',
    'The image was changed as if it were text', 'The grain directory at', 'The header tells of no sectors', 'invalid VMDK image descriptor', 'File too large', 'Unsupported compression',
    'Invalid extent line', 'Could not open \'[^\']*""', 'Unsupported extent type', 'Unsupported image type', 'Unsupported VMDK version', 'The descriptor (names no extents|at )', 'Invalid content identifier',
    'Image not in VMDK format', "Extent '.*' holds", 'Invalid granularity', 'VMDK version 3 must be', 'An image whose tables', 'Invalid footer',
  ),
  ...of('vmdk', /^refuses: Is another process using the image/),
  ...of('vmdk', /^opens what the reference refuses: .*(Invalid argument|Invalid extent line)/),
];

export const DIFFERENCES: readonly Difference[] = [...QED, ...VDI, ...PARALLELS, ...VHDX, ...VMDK];

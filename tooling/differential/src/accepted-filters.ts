// Differences that are meant to be, of the filters: several copies of an image (`pairs-…`), and rules that make requests fail.
import type { Accepted } from './accepted.js';

export const IN_FILTERS: readonly Accepted[] = [
  {
    id: 'pairs-go-on',
    reason:
      'A difference that blkverify, or a quorum with `blkverify=on`, finds fails the request, and the program goes on; the reference ends there. It ends as well where zeroes are written through blkverify.',
    line: /driver=blkverify|blkverify:c0|blkverify=on/,
    theirErrors: /^(blkverify|quorum): .* mismatch |^ended by SIGABRT/,
  },
  {
    id: 'pairs-keep-their-size',
    reason: 'An image under blkverify is not resized; the reference resizes the raw copy alone.',
    line: /^qemu-img resize .*driver=blkverify/,
  },
  {
    id: 'pairs-show-clusters',
    reason: 'info of an image under blkverify tells how long its clusters are; the reference asks the raw copy, which has none.',
    line: /^qemu-img info .*blkverify:/,
    part: /^stdout$/,
    ours: /cluster[-_]size/,
  },
  {
    id: 'copy-by-file-name',
    reason: 'A copy of a quorum may be given by its file name alone, as other children are; the reference wants a driver.',
    line: /driver=quorum,vote-threshold=1,children\.0\.filename=/,
    theirErrors: /Must specify either driver or file/,
  },
  {
    id: 'failed-flush-is-told',
    reason:
      'qemu-io says why a flush failed, and ends with 1 where the last one does, when the image is closed; the reference says nothing.',
    line: /^qemu-io .*blkdebug/,
    ours: /^1$|^flush failed: |^qemu-io: Injected error: /m,
    theirs: /^0$|^(?![^]*(failed|error))/,
  },
  {
    id: 'part-of-a-sector',
    reason:
      'An error that blkdebug injects into a sector hits every request that touches it; the reference\'s only those that have its first byte.',
    line: /inject-error\.0\.sector=8/,
    part: /^(stdout|code)$/,
    ours: /^1$|^read failed: /m,
  },
  {
    id: 'rules-are-explained',
    reason: 'A line of a file of rules that is none is shown, with what a line has to be; the reference names the word before the first blank, or says "parse error" alone.',
    line: /^qemu-io .*blkdebug:rules:/,
    part: /^stderr$/,
    ours: /: parse error: '[^]*' (is not of the form name = "value"|names no section)/,
  },
  {
    id: 'events-by-their-old-names',
    reason: 'Events of blkdebug may be called by the names of the schema of 2.4, which have dots; the reference knows those with underscores alone.',
    line: /^qemu-io .*blkdebug:rules:/,
    theirErrors: /invalid parameter value: l1_grow\.alloc_table/,
  },
  {
    id: 'why-no-format-was-found',
    reason: 'An error that is injected while the format is looked for is told as such; the reference says that the image could not be read for that.',
    line: /^qemu-io .*blkdebug:rules:/,
    part: /^stderr$/,
    ours: /Injected error: /,
    theirs: /Could not read image for determining its format: /,
  },
  {
    id: 'space-below-blkdebug',
    reason: 'info of an image behind blkdebug tells what space it takes; the reference does not.',
    line: /^qemu-img info .*--output=json.*blkdebug::/,
    part: /^stdout$/,
    ours: /"actual-size"/,
  },
];

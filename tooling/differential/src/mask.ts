// What legitimately differs between two runs of the same command: folders, clocks, how the host stores files, and in how many steps
// work is done.

/** A text with the folder's name, times, dates and sizes on the host replaced. */
export function mask(text: string, folder: string): string {
  return text
    .replaceAll(folder, 'DIR')
    .replaceAll(/; [\d:.]+( sec)? \(.*? ops\/sec\)/g, '; TIME')
    // A clock that stood still meanwhile makes a rate endless.
    .replaceAll(/^(\d+,\d+),[\d:.]+,(?:[\d.]+|inf|-?nan),(?:[\d.]+|inf|-?nan)$/gm, '$1,TIME')
    .replaceAll(/^Run completed in [\d.]+ seconds\.$/gm, 'Run completed in TIME.')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE')
    .replaceAll(/"date-(n?sec)": \d+/g, '"date-$1": DATE')
    .replaceAll(/^disk size: .*$/gm, 'disk size: SIZE')
    .replaceAll(/"actual-size": \d+/g, '"actual-size": SIZE')
    .replaceAll(/(?: {4}\(\d+\.\d\d\/100%\)\r)+/g, '(PROGRESS)')
    .replaceAll(/#block\d+/g, '#blockN')
    .replaceAll(/"uuid": "[0-9a-f-]{36}"|^( *uuid:) [0-9a-f-]{36}$/gm, '$1 UUID');
}

interface MapEntry {
  readonly start: number;
  readonly length: number;
  readonly [field: string]: unknown;
}

/** A map in JSON without offsets in files, with zeroes that a cluster holds as data among the data, and all other zeroes
 * alike. Other texts as they are. */
export function maskPlaces(text: string): string {
  if (!text.startsWith('[{ "start"')) return text;
  const merged: MapEntry[] = [];
  for (const entry of JSON.parse(text) as MapEntry[]) {
    const plain: MapEntry = { ...entry, offset: undefined, ...(entry['data'] === true ? { zero: false } : { depth: 0, present: entry['zero'] }) };
    const last = merged.at(-1);
    if (last !== undefined && kind(last) === kind(plain)) merged[merged.length - 1] = { ...last, length: last.length + plain.length };
    else merged.push(plain);
  }
  return merged.map((entry) => `${JSON.stringify(entry)}\n`).join('');
}

const kind = (entry: MapEntry): string => JSON.stringify({ ...entry, start: 0, length: 0 });

// What legitimately differs between two runs of the same command: folders, clocks, how the host stores files, and in how many steps
// work is done.

/** A text with the folder's name, times, dates and sizes on the host replaced. */
export function mask(text: string, folder: string): string {
  return text
    .replaceAll(folder, 'DIR')
    .replaceAll(/; [\d:.]+( sec)? \(.*? ops\/sec\)/g, '; TIME')
    .replaceAll(/^(\d+,\d+),[\d:.]+,[\d.]+,[\d.]+$/gm, '$1,TIME')
    .replaceAll(/^Run completed in [\d.]+ seconds\.$/gm, 'Run completed in TIME.')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, 'DATE')
    .replaceAll(/"date-(n?sec)": \d+/g, '"date-$1": DATE')
    .replaceAll(/^disk size: .*$/gm, 'disk size: SIZE')
    .replaceAll(/"actual-size": \d+/g, '"actual-size": SIZE')
    .replaceAll(/(?: {4}\(\d+\.\d\d\/100%\)\r)+/g, '(PROGRESS)')
    .replaceAll(/#block\d+/g, '#blockN')
    .replaceAll(/"uuid": "[0-9a-f-]{36}"|^( *uuid:) [0-9a-f-]{36}$/gm, '$1 UUID');
}

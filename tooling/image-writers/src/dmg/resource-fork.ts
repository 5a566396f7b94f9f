/** The two places of block tables: a property list, and a resource fork as files of the old Mac OS had it. */

/** A property list with the tables under `resource-fork`, `blkx`. */
export function propertyList(tables: readonly Uint8Array[]): Uint8Array {
  const entries = tables.map((table, index) => [
    '\t\t\t<dict>', '\t\t\t\t<key>Attributes</key>', '\t\t\t\t<string>0x0050</string>', '\t\t\t\t<key>CFName</key>', `\t\t\t\t<string>whole disk (Apple_HFS &amp; more : ${index})</string>`,
    '\t\t\t\t<key>Data</key>', '\t\t\t\t<data>', ...(Buffer.from(table).toString('base64').match(/.{1,44}/g) ?? []).map((line) => `\t\t\t\t${line}`), '\t\t\t\t</data>',
    '\t\t\t\t<key>ID</key>', `\t\t\t\t<string>${index}</string>`, '\t\t\t\t<key>Name</key>', `\t\t\t\t<string>whole disk (Apple_HFS : ${index})</string>`, '\t\t\t</dict>',
  ]);
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>', '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">', '<plist version="1.0">', '<dict>',
    '\t<key>resource-fork</key>', '\t<dict>', '\t\t<key>blkx</key>', '\t\t<array>', ...entries.flat(), '\t\t</array>', '\t\t<key>plst</key>', '\t\t<array/>', '\t</dict>', '</dict>', '</plist>', '',
  ];
  return Buffer.from(lines.join('\n'));
}

/** A resource fork with the tables as resources of the type `blkx`. */
export function resourceFork(tables: readonly Uint8Array[]): Uint8Array {
  const DATA = 256;
  const references = Buffer.alloc(12 * tables.length);
  const data: Uint8Array[] = [];
  let offset = 0;
  for (const [index, table] of tables.entries()) {
    references.writeUInt16BE(index, 12 * index);
    references.writeUInt16BE(0xffff, 12 * index + 2);
    references.writeUInt32BE(offset, 12 * index + 4);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(table.length);
    data.push(length, table);
    offset += 4 + table.length;
  }
  const map = Buffer.alloc(28 + 10);
  map.writeUInt16BE(28, 24);
  map.writeUInt16BE(map.length + references.length, 26);
  map.writeUInt16BE(0, 28);
  map.write('blkx', 30);
  map.writeUInt16BE(tables.length - 1, 34);
  map.writeUInt16BE(10, 36);
  const header = Buffer.alloc(DATA);
  for (const [index, value] of [DATA, DATA + offset, offset, map.length + references.length].entries()) header.writeUInt32BE(value, 4 * index);
  header.copy(map, 0, 0, 16);
  return Buffer.concat([header, ...data, map, references]);
}

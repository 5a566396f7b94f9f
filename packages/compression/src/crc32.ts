/** CRC-32, as zip and disk images of Apple have it. */

/** For the byte itself, and for a byte with one, two or three more behind it. */
const tables = Array.from({ length: 4 }, () => new Int32Array(256));
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ ((crc & 1) === 1 ? 0xedb8_8320 : 0);
  tables[0][byte] = crc;
}
for (let byte = 0; byte < 256; byte++) {
  for (let more = 1; more < 4; more++) {
    const crc = tables[more - 1][byte];
    tables[more][byte] = (crc >>> 8) ^ tables[0][crc & 0xff];
  }
}

/** Of what came `before`, followed by `bytes`. */
export function crc32(bytes: Uint8Array, before = 0): number {
  const [one, two, three, four] = tables;
  const whole = bytes.length - (bytes.length % 4);
  let crc = ~before;
  let at = 0;
  for (; at < whole; at += 4) {
    crc ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
    crc = four[crc & 0xff] ^ three[(crc >>> 8) & 0xff] ^ two[(crc >>> 16) & 0xff] ^ one[crc >>> 24];
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ one[(crc ^ bytes[at]) & 0xff];
  return ~crc >>> 0;
}

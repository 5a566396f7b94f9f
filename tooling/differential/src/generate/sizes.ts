// Sizes as users write them, wherever one is taken: every suffix, fractions, signs, blanks, and what is beyond 64 bits.
const SUFFIXES = ['', 'b', 'B', 'k', 'K', 'm', 'M', 'g', 'G', 't', 'T', 'p', 'P', 'e', 'E', 'x', 'kb', 'KiB', ' '] as const;
const NUMBERS = ['0', '1', '2', '1.5', '0.5', '.5', '5.', '007', '0x10', '0X10', '-1', '+1', '1e1', '1,5', ''] as const;
const OTHERS = [
  '9223372036854775296', '9223372036854775807', '9223372036854775808', '18446744073709551615', '18446744073709551616', '99999999999999999999999',
  '8388607T', '8388608T', '8191P', '8192P', '7E', '8E', '16E', '7.9999999999E', '0.0001k', '1.0000001M', '1.k', 'k', 'inf', 'nan', '1M1', '1 M', '0b1',
] as const;

/** Places that take a size; `@` stands for it. Images of no more than this machine can hold in tables are made. */
const PLACES = ['qemu-img create -q n @', 'qemu-img create -q -o size=@ n', 'qemu-img resize -q d.raw @', 'qemu-img measure --size=@ -O raw'] as const;
const READERS = ['qemu-io -f raw -c "read 0 @" d.raw', 'qemu-img map --output=json --start-offset=@ d.raw', 'qemu-img convert -S @ d.raw o'] as const;

export function sizes(): string {
  const all = [...SUFFIXES.map((suffix) => `3${suffix}`), ...NUMBERS.map((number) => number), ...NUMBERS.map((number) => `${number}k`), ...OTHERS];
  const of = (places: readonly string[], flag: string): string[] =>
    places.map((place) => [`== size in ${place.replace('@', 'SIZE')} [${flag}]`, 'use small', ...new Set(all.map((size) => fill(place, size)))].join('\n'));
  return [...of(PLACES.filter((place) => place.includes('measure')), 'reads'), ...of(PLACES.filter((place) => !place.includes('measure')), 'reads'), ...of(READERS, 'reads')].join('\n');
}

function fill(place: string, size: string): string {
  const inQuotes = place.includes('"');
  const text = !inQuotes && (size === '' || size.includes(' ')) ? `"${size}"` : size;
  return place.includes('=@') && text.startsWith('"') ? place.replace('=@', `=${text}`) : place.replace('@', text);
}

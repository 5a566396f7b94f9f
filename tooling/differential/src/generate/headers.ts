// Every field of the qcow2 header, and of a table behind it, changed to every kind of wrong value: the same words and exit code.

/** Offset and length in bytes of the header's fields (docs/interop/qcow2). */
const FIELDS: readonly (readonly [name: string, offset: number, length: number])[] = [
  ['magic', 0, 4], ['version', 4, 4], ['backing_file_offset', 8, 8], ['backing_file_size', 16, 4], ['cluster_bits', 20, 4], ['size', 24, 8],
  ['crypt_method', 32, 4], ['l1_size', 36, 4], ['l1_table_offset', 40, 8], ['refcount_table_offset', 48, 8], ['refcount_table_clusters', 56, 4],
  ['nb_snapshots', 60, 4], ['snapshots_offset', 64, 8], ['incompatible_features', 72, 8], ['compatible_features', 80, 8],
  ['autoclear_features', 88, 8], ['refcount_order', 96, 4], ['header_length', 100, 4], ['compression_type', 104, 1],
  ['extension type', 112, 4], ['extension length', 116, 4],
];

/** Values of a field of `length` bytes, in hexadecimal. */
function values(length: number): string[] {
  const number = (value: bigint): string => value.toString(16).padStart(2 * length, '0').slice(-2 * length);
  const small = [0n, 1n, 2n, 3n, 7n, 9n, 21n, 22n, 64n, 100n, 255n];
  if (length === 1) return small.map(number);
  const middle = [511n, 512n, 65535n, 65536n, 0x20000n, 0x30000n, 0x10001n, 0x100000n];
  const large = length === 4 ? [0x7fffffffn, 0x80000000n, 0xffffffffn] : [1n << 32n, 1n << 55n, 1n << 56n, (1n << 63n) - 1n, 1n << 63n, (1n << 64n) - 1n];
  return [...small, ...middle, ...large].map(number);
}

const IMAGES: readonly (readonly [name: string, lines: readonly string[]])[] = [
  ['v3', ['ref qemu-img create -q -f qcow2 d 4M', 'ref qemu-io -f qcow2 -c "write -q -P 1 0 256k" d']],
  [
    'backed',
    [
      'ref qemu-img create -q -f raw base 4M', 'ref qemu-img create -q -f qcow2 -b base -F raw d', 'ref qemu-io -f qcow2 -c "write -q -P 1 0 256k" d',
      'ref qemu-img snapshot -c s d',
    ],
  ],
  ['v2', ['ref qemu-img create -q -f qcow2 -o compat=0.10 d 4M', 'ref qemu-io -f qcow2 -c "write -q -P 1 0 256k" d']],
];

export function headers(): string {
  return IMAGES.flatMap(([name, lines]) =>
    FIELDS.filter(([, offset]) => name !== 'v2' || offset < 72).flatMap(([field, offset, length]) =>
      // What follows the first image's fields is the same for the others.
      (name === 'v3' ? values(length) : values(length).filter((_, i) => i % 3 === 1)).map((value) =>
        [
          `== header ${name}: ${field} = ${value} [damaged]`,
          ...lines,
          `poke d ${offset} ${value}`,
          'qemu-img info -f qcow2 d',
          'qemu-img map -f qcow2 --output=json d',
          'qemu-io -r -f qcow2 -c "read -P 1 0 256k" d',
        ].join('\n'),
      ),
    ),
  ).join('\n');
}

/** The CRC-32 of zeroes, however many: free space may be petabytes, and nobody waits for those byte by byte. */

const POLYNOMIAL = 0xedb8_8320;

/** `sum` continued by `length` zeroes. What a zero does to the register is a matrix of bits, and squaring that doubles the number of zeroes. */
export function crc32OfZeroes(sum: number, length: number): number {
  let register = ~sum;
  let matrix: readonly number[] = Array.from({ length: 32 }, (_, bit) => (bit === 0 ? POLYNOMIAL : 1 << (bit - 1)));
  for (let bits = 1; bits < 8; bits *= 2) matrix = squared(matrix);
  for (let left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) register = times(matrix, register);
    matrix = squared(matrix);
  }
  return ~register >>> 0;
}

function squared(matrix: readonly number[]): readonly number[] {
  return matrix.map((row) => times(matrix, row));
}

function times(matrix: readonly number[], vector: number): number {
  let result = 0;
  for (let bit = 0; bit < 32; bit++) if ((vector & (1 << bit)) !== 0) result ^= matrix[bit];
  return result;
}

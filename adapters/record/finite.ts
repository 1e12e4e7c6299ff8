const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Exponent bits of two half-precision numbers: where all five are set, a number is infinite or none. */
const exponents = littleEndian ? 0x7c00_7c00 : 0x007c_007c;
/** Added to the exponent bits, it carries out of them where all are set. */
const carry = littleEndian ? 0x0400_0400 : 0x0004_0004;
const carried = littleEndian ? 0x8000_8000 : 0x0080_0080;

/** Whether all little-endian half-precision numbers are finite. Reads two at a time. */
export function allFinite(halves: Uint8Array): boolean {
  const { byteOffset, byteLength } = halves;
  if (byteOffset % 4 !== 0) return allFinite(halves.slice());
  const pairs = new Int32Array(halves.buffer, byteOffset, byteLength >> 2);
  let found = 0;
  for (let i = 0; i < pairs.length; i++) found |= ((pairs[i] as number) & exponents) + carry;
  const last = byteLength % 4 === 0 ? 0 : (halves[byteLength - 1] as number);
  return (found & carried) === 0 && (last & 0x7c) !== 0x7c;
}

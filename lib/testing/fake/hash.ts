/** A 128-bit hexadecimal hash of text; not cryptographic, good enough to tell fake models apart. */
export function hashText(text: string): string {
  const lanes = [0x811c9dc5, 0x01000193, 0x9e3779b9, 0x85ebca6b];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    for (let lane = 0; lane < 4; lane++) {
      const mixed = Math.imul((lanes[lane] as number) ^ (unit + lane), 0x01000193 + 2 * lane);
      lanes[lane] = mixed ^ (mixed >>> 13);
    }
  }
  return lanes.map((lane) => (lane >>> 0).toString(16).padStart(8, '0')).join('');
}

/** Values that metadata may hold, each field, entry and key counted: those of a real record are below a hundred. */
export const maxValues = 65_536;
/** How deep lists and objects may lie in each other. */
export const maxDepth = 32;

interface Open {
  /** Values until the list or object is full. */
  left: number;
  readonly object: boolean;
}

/**
 * Walks through msgpack bytes before they are unpacked, so that a few hostile bytes cannot become many objects, and
 * nothing but numbers, text, bytes, lists and objects is ever made of them. Allocates next to nothing.
 * @returns what is wrong, or undefined.
 */
export function packedProblem(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const open: Open[] = [{ left: 1, object: false }];
  let values = 0;
  let at = 0;
  for (let inner = open.at(-1); inner; inner = open.at(-1)) {
    if (inner.left === 0) {
      open.pop();
      continue;
    }
    if (++values > maxValues) return 'they hold too many values';
    const type = bytes[at];
    if (type === undefined) return 'they are cut short';
    const head = type === 0xd4 && bytes[at + 1] === 0 ? nothing : headOf(type);
    if (!head) return 'they hold values of an unknown kind';
    if (at + 1 + head.lengthBytes > bytes.byteLength) return 'they are cut short';
    const length = head.length ?? lengthAt(view, at + 1, head.lengthBytes);
    at += 1 + head.lengthBytes;
    const isKey = inner.object && inner.left % 2 === 0;
    if (isKey && head.kind !== 'text') return 'they hold an object whose keys are no text';
    inner.left--;
    if (head.kind === 'list' || head.kind === 'object') {
      if (open.length > maxDepth) return 'they are nested too deep';
      const left = head.kind === 'object' ? 2 * length : length;
      // Each takes a byte at least.
      if (left > bytes.byteLength - at) return 'they are cut short';
      open.push({ left, object: head.kind === 'object' });
    } else {
      at += length;
      if (at > bytes.byteLength) return 'they are cut short';
    }
  }
  return at === bytes.byteLength ? undefined : 'they are longer than they say';
}

interface Head {
  readonly kind: 'plain' | 'text' | 'list' | 'object';
  /** Bytes, or entries, that follow; absent where `lengthBytes` bytes tell. */
  readonly length?: number;
  readonly lengthBytes: number;
}

const plain = (length: number): Head => ({ kind: 'plain', length, lengthBytes: 0 });
const told = (kind: Head['kind'], lengthBytes: number): Head => ({ kind, lengthBytes });

/** Of the extensions only the one that stands for undefined is taken. */
const nothing = plain(2);

/** By type byte, from 0xc0 to 0xdf. */
const heads: readonly (Head | undefined)[] = [
  plain(0), // nil
  undefined,
  plain(0), // false
  plain(0), // true
  told('plain', 1), // bytes
  told('plain', 2),
  told('plain', 4),
  undefined, // extensions
  undefined,
  undefined,
  plain(4), // floats
  plain(8),
  plain(1), // unsigned
  plain(2),
  plain(4),
  plain(8),
  plain(1), // signed
  plain(2),
  plain(4),
  plain(8),
  undefined, // extensions
  undefined,
  undefined,
  undefined,
  undefined,
  told('text', 1),
  told('text', 2),
  told('text', 4),
  told('list', 2),
  told('list', 4),
  told('object', 2),
  told('object', 4),
];

function headOf(type: number): Head | undefined {
  if (type < 0x80 || type >= 0xe0) return plain(0);
  if (type < 0x90) return { kind: 'object', length: type & 0xf, lengthBytes: 0 };
  if (type < 0xa0) return { kind: 'list', length: type & 0xf, lengthBytes: 0 };
  if (type < 0xc0) return { kind: 'text', length: type & 0x1f, lengthBytes: 0 };
  return heads[type - 0xc0];
}

function lengthAt(view: DataView, at: number, bytes: number): number {
  if (bytes === 1) return view.getUint8(at);
  return bytes === 2 ? view.getUint16(at) : view.getUint32(at);
}

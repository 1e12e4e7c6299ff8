/** Bytes that are looked at to tell text from other files. */
const sampleBytes = 8192;
/** More than this share of control characters, or of bytes that are no UTF-8, is no text. */
const maxControls = 0.1;
const maxInvalid = 0.3;

/** What the first bytes of files say that have an own format but few NUL bytes. */
const signatures: readonly (readonly [string, string])[] = [
  ['%PDF-', 'a PDF'],
  ['PK\u0003\u0004', 'a ZIP archive or an Office document'],
  ['{\\rtf', 'an RTF document'],
  ['\u00d0\u00cf\u0011\u00e0', 'an old Office document'],
  ['\u0089PNG', 'a PNG image'],
  ['GIF8', 'a GIF image'],
  ['\u00ff\u00d8\u00ff', 'a JPEG image'],
  ['\u001f\u008b', 'a gzip archive'],
  ['\u007fELF', 'a program'],
];

/** Text of a file, or why it is none. */
export type Decoded =
  | { readonly text: string; readonly warning?: string }
  | { readonly binary: string };

/**
 * Decodes a file: UTF-8 unless a byte order mark or, in HTML, `<meta charset>` says otherwise. Invalid bytes
 * become U+FFFD, with a warning; too many of them, or NUL bytes near the start, mean that it is no text.
 */
export function decodeText(bytes: Uint8Array, options: { readonly html?: boolean } = {}): Decoded {
  const marked = byteOrderMark(bytes);
  if (marked && marked !== 'utf-8') return decodeAs(marked, bytes);
  const head = String.fromCharCode(...bytes.subarray(0, sampleBytes));
  const problem = binaryProblem(head);
  if (problem) return { binary: problem };
  const declared = options.html && !marked ? declaredEncoding(head) : undefined;
  return decodeAs(declared ?? 'utf-8', bytes);
}

function byteOrderMark(bytes: Uint8Array): string | undefined {
  const [a, b, c] = bytes;
  if (a === 0xef && b === 0xbb && c === 0xbf) return 'utf-8';
  if (a === 0xff && b === 0xfe) return 'utf-16le';
  return a === 0xfe && b === 0xff ? 'utf-16be' : undefined;
}

function binaryProblem(head: string): string | undefined {
  for (const [signature, kind] of signatures) {
    if (head.startsWith(signature)) return `it is ${kind}, not text`;
  }
  if (head.includes('\0')) return 'it has NUL bytes, so it is no text';
  // oxlint-disable-next-line no-control-regex
  const controls = head.match(/[\u0001-\u0008\u000e-\u001a\u001c-\u001f]/g)?.length ?? 0;
  if (controls > head.length * maxControls)
    return 'it is full of control characters, so it is no text';
  return undefined;
}

/** The encoding that a page names in its first kilobyte, if it is one that this platform knows. */
function declaredEncoding(head: string): string | undefined {
  const label = /<meta\s[^>]{0,200}?charset\s{0,9}=\s{0,9}["']?\s{0,9}([\w:.-]{1,40})/i.exec(
    head.slice(0, 1024),
  )?.[1];
  if (!label) return undefined;
  try {
    const { encoding } = new TextDecoder(label);
    // A page whose head can be read as ASCII is not in UTF-16, whatever it says.
    return encoding.startsWith('utf-16') ? undefined : encoding;
  } catch {
    return undefined;
  }
}

function decodeAs(encoding: string, bytes: Uint8Array): Decoded {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    return { text: encoding === 'windows-1252' ? repairWindows1252(text) : text };
  } catch {
    const text = new TextDecoder(encoding).decode(bytes);
    const invalid = countReplacements(text);
    if (encoding === 'utf-8' && invalid > bytes.length * maxInvalid) {
      return { binary: 'most of its bytes are no UTF-8; convert it to UTF-8' };
    }
    const places = `${invalid} place${invalid === 1 ? '' : 's'}`;
    return {
      text,
      warning: `It is not valid ${encoding.toUpperCase()}: ${places} became U+FFFD. Convert it to UTF-8.`,
    };
  }
}

/** What Windows has at 0x80 to 0x9f, where some versions of Node decode Latin-1 instead. */
const windows1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

function repairWindows1252(text: string): string {
  return text.replace(/[\u0080-\u009f]/g, (unit) => windows1252.charAt(unit.charCodeAt(0) - 0x80));
}

function countReplacements(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\ufffd'); at >= 0; at = text.indexOf('\ufffd', at + 1)) count++;
  return count;
}

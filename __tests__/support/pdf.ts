export interface PdfOptions {
  /** Entries of the trailer, for example one that says how the file is encrypted. */
  readonly trailer?: string;
  /** Title in the file's information. */
  readonly title?: string;
  /** Bookmarks: a title and the index of a page; all of one level, but for `inner`, which are inside the first. */
  readonly bookmarks?: readonly (readonly [string, number])[];
  readonly inner?: readonly (readonly [string, number])[];
}

/** A PDF with a page for each list of lines, written by hand. A blank line leaves a gap. */
export function pdfOf(pages: readonly (readonly string[])[], options: PdfOptions = {}): Buffer {
  const objects: string[] = [];
  const add = (object: string): number => objects.push(object);
  add('<< /Type /Catalog /Pages 2 0 R >>');
  add('');
  add('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');
  const info = add(`<< /Title (${options.title ?? ''}) /Author (A. Writer) >>`);
  const kids = pages.map((lines) => {
    const shown = lines.map((line) => (line === '' ? 'T*' : `(${escaped(line)}) Tj T*`));
    const content = `BT /F1 12 Tf 72 720 Td 14 TL ${shown.join(' ')} ET`;
    const stream = add(`<< /Length ${content.length} >>\nstream\n${content}\nendstream`);
    return add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${stream} 0 R ` +
        '/Resources << /Font << /F1 3 0 R >> >> >>',
    );
  });
  const { bookmarks = [], inner = [] } = options;
  if (bookmarks.length > 0) {
    const root = objects.length + 1;
    const entry = ([title, page]: readonly [string, number], parent: number, more: string) =>
      `<< /Title (${escaped(title)}) /Parent ${at(parent)} /Dest [${at(kids[page] ?? 9999)} /Fit] ${more} >>`;
    // The root, its entries, then those inside the first of them.
    const first = root + 1;
    const firstInner = first + bookmarks.length;
    add(`<< /Type /Outlines /First ${at(first)} /Last ${at(firstInner - 1)} >>`);
    const next = (i: number, count: number, from: number) =>
      i + 1 < count ? `/Next ${at(from + i + 1)}` : '';
    for (const [i, bookmark] of bookmarks.entries()) {
      const holds =
        i === 0 && inner.length > 0
          ? `/First ${at(firstInner)} /Last ${at(firstInner + inner.length - 1)}`
          : '';
      add(entry(bookmark, root, `${next(i, bookmarks.length, first)} ${holds}`));
    }
    for (const [i, bookmark] of inner.entries()) {
      add(entry(bookmark, first, next(i, inner.length, firstInner)));
    }
    objects[0] = `<< /Type /Catalog /Pages 2 0 R /Outlines ${at(root)} >>`;
  }
  objects[1] = `<< /Type /Pages /Kids [${kids.map((kid) => `${kid} 0 R`).join(' ')}] /Count ${kids.length} >>`;
  let file = '%PDF-1.4\n';
  const places = objects.map((object, i) => {
    const place = file.length;
    file += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return place;
  });
  const table = places.map((place) => `${String(place).padStart(10, '0')} 00000 n \n`).join('');
  const { trailer = '' } = options;
  file +=
    `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}` +
    `trailer << /Size ${objects.length + 1} /Root 1 0 R /Info ${info} 0 R ${trailer} >>\n` +
    `startxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(file, 'latin1');
}

/** A trailer that says that a password is needed. */
export const encrypted =
  '/Encrypt << /Filter /Standard /V 1 /R 2 /O (12345678901234567890123456789012) ' +
  '/U (12345678901234567890123456789012) /P -4 >> /ID [(a) (b)]';

/** A reference to an object. */
function at(place: number): string {
  return `${place} 0 R`;
}

function escaped(text: string): string {
  return text.replaceAll(/[\\()]/g, String.raw`\$&`);
}

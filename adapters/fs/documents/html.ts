import { Parser } from 'htmlparser2';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { runSteps, type Steps } from '../../../lib/pace.js';
import { MarkdownWriter } from './markdown-writer.js';

/** What a reader of a page sees, and its title. */
export interface ExtractedHtml {
  readonly text: string;
  readonly title?: string;
}

/** Elements whose text no reader of the page sees. */
const invisible = new Set(
  'script style noscript template svg iframe object canvas audio video datalist'.split(' '),
);
const blocks = new Set(
  (
    'address article aside blockquote body center details dialog dir div dl fieldset figure footer form ' +
    'header hgroup hr main menu nav ol p search section summary table ul'
  ).split(' '),
);
/** Begin a line, but are no paragraph of their own. */
const lines = new Set(
  'caption dd dt figcaption legend optgroup option tbody tfoot thead'.split(' '),
);

/**
 * Elements inside each other. No page written by people comes near it, and the parser's time grows with the
 * square of it.
 */
const maxDepth = 2000;
/** Characters parsed between two pauses. */
const sliceLength = 1 << 12;

/**
 * The visible text of a page as light Markdown: paragraphs with blank lines between them, `#` headings, `-`
 * and numbered lists, table rows with ` | ` between cells, `<pre>` as fenced code. Scripts, styles and hidden
 * elements are left out; entities are decoded. Spans of chunks refer to this text, not to the page's source.
 *
 * @throws InvalidArgumentError when elements are nested more than 2,000 deep.
 */
export async function extractHtml(
  html: string,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<ExtractedHtml> {
  return runSteps(extract(html), options);
}

function* extract(html: string): Steps<ExtractedHtml> {
  const page = new PageReader();
  const parser = new Parser({
    onopentag: (name, attributes) => page.open(name, attributes),
    onclosetag: (name) => page.close(name),
    ontext: (text) => page.text(text),
  });
  for (let at = 0; at < html.length; at += sliceLength) {
    parser.write(html.slice(at, at + sliceLength));
    yield at / html.length;
  }
  parser.end();
  return page.result();
}

/** Follows a parser through a page. */
class PageReader {
  readonly #writer = new MarkdownWriter();
  /** Next number of each open list; undefined for lists without numbers. */
  readonly #lists: (number | undefined)[] = [];
  #depth = 0;
  /** Depth of the outermost invisible element that is open, or 0. */
  #hiddenFrom = 0;
  #inTitle = false;
  #title = '';
  #firstCell = true;

  open(name: string, attributes: Readonly<Record<string, string>>): void {
    if (++this.#depth > maxDepth) {
      throw new InvalidArgumentError(`elements are nested more than ${maxDepth} deep`);
    }
    if (this.#hiddenFrom > 0) return;
    if (invisible.has(name) || isHidden(attributes)) this.#hiddenFrom = this.#depth;
    else if (name === 'title') this.#inTitle = true;
    else this.#openVisible(name, attributes);
  }

  close(name: string): void {
    if (this.#hiddenFrom === 0) this.#closeVisible(name);
    if (this.#hiddenFrom === this.#depth) this.#hiddenFrom = 0;
    this.#depth--;
  }

  text(text: string): void {
    if (this.#hiddenFrom > 0) return;
    if (this.#inTitle) this.#title += text;
    else this.#writer.text(text);
  }

  result(): ExtractedHtml {
    const title = this.#title.replace(/\s+/g, ' ').trim();
    return { text: this.#writer.result(), ...(title && { title }) };
  }

  #openVisible(name: string, attributes: Readonly<Record<string, string>>): void {
    const writer = this.#writer;
    const heading = headingLevel(name);
    if (heading) writer.openHeading(heading);
    else if (name === 'br') writer.lineBreak();
    else if (name === 'pre') writer.openCode();
    else if (name === 'li') this.#openItem();
    else if (name === 'tr') {
      writer.row();
      this.#firstCell = true;
    } else if (name === 'td' || name === 'th') {
      if (!this.#firstCell) writer.cell();
      this.#firstCell = false;
    } else if (blocks.has(name)) writer.paragraph();
    else if (lines.has(name)) writer.line();
    if (name === 'ul' || name === 'menu') this.#lists.push(undefined);
    if (name === 'ol') this.#lists.push(Number.parseInt(attributes['start'] ?? '1', 10) || 1);
  }

  #closeVisible(name: string): void {
    const writer = this.#writer;
    if (name === 'title') this.#inTitle = false;
    else if (headingLevel(name)) writer.closeHeading();
    else if (name === 'pre') writer.closeCode();
    else if (name === 'tr') writer.row();
    else if (name === 'li') writer.closeItem();
    else if (lines.has(name)) writer.line();
    else if (name === 'ul' || name === 'ol' || name === 'menu') {
      this.#lists.pop();
      // Text after a list inside an item goes on with the item.
      if (this.#lists.length > 0) writer.line();
      else writer.paragraph();
    } else if (blocks.has(name)) writer.paragraph();
  }

  #openItem(): void {
    const inner = this.#lists.length - 1;
    const number = this.#lists[inner];
    if (number !== undefined) this.#lists[inner] = number + 1;
    const indent = '  '.repeat(Math.min(Math.max(inner, 0), 8));
    this.#writer.openItem(`${indent}${number === undefined ? '-' : `${number}.`} `, inner > 0);
  }
}

function headingLevel(name: string): number {
  return name.length === 2 && name[0] === 'h' && name >= 'h1' && name <= 'h6' ? Number(name[1]) : 0;
}

function isHidden(attributes: Readonly<Record<string, string>>): boolean {
  if ('hidden' in attributes) return true;
  const style = attributes['style'];
  return (
    style !== undefined && /(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*hidden)/i.test(style)
  );
}

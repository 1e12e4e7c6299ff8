/** Writes light Markdown from the events of a page. White space is held back until text follows it. */
export class MarkdownWriter {
  readonly #parts: string[] = [];
  /** Newlines to come before the next text, 0 to 2. */
  #newlines = 0;
  #space = false;
  #separator = '';
  /** Mark of a heading or list item to come before the next text. */
  #prefix = '';
  #inHeading = false;
  #code: string[] | undefined;
  #codeDepth = 0;

  text(text: string): void {
    if (this.#code) {
      this.#code.push(text);
      return;
    }
    // A no-break space is a space to search and to models; a soft hyphen is nothing.
    const collapsed = text.replace(/[ \t\r\n\f\u00a0]+/g, ' ').replaceAll('\u00ad', '');
    if (/^\s/.test(collapsed)) this.#space = true;
    const trimmed = collapsed.trim();
    if (trimmed === '') return;
    this.#write(trimmed);
    this.#space = /\s$/.test(collapsed);
  }

  /** What follows begins a line. */
  line(): void {
    this.#break(1);
  }

  /** What follows begins a paragraph. */
  paragraph(): void {
    this.#break(2);
  }

  /** A written line break; two of them make a paragraph, and in a heading it is a space. */
  lineBreak(): void {
    if (this.#code) this.#code.push('\n');
    else if (this.#inHeading) this.#space = true;
    else this.#break(Math.min(2, this.#newlines + 1));
  }

  /** What follows is a row of a table. */
  row(): void {
    this.#separator = '';
    this.#break(1);
  }

  /** What follows is a further cell of the row. */
  cell(): void {
    if (this.#code) return;
    this.#separator += ' | ';
    this.#newlines = 0;
  }

  openHeading(level: number): void {
    this.#force(2);
    if (this.#code) return;
    this.#prefix = `${'#'.repeat(level)} `;
    this.#inHeading = true;
  }

  closeHeading(): void {
    this.#force(2);
  }

  /** An item of a list; one of a list inside another follows without a blank line. */
  openItem(prefix: string, inner: boolean): void {
    this.#force(1);
    if (inner) this.#newlines = 1;
    this.#prefix = prefix;
  }

  closeItem(): void {
    this.#force(1);
  }

  openCode(): void {
    if (++this.#codeDepth > 1) return;
    this.#force(2);
    this.#code = [];
  }

  closeCode(): void {
    if (this.#codeDepth === 0 || --this.#codeDepth > 0) return;
    const code = (this.#code ?? []).join('').replace(/\r\n?/g, '\n').replace(/^\n/, '').trimEnd();
    this.#code = undefined;
    if (code.trim() !== '') {
      // Longer than any fence inside, or the code would end there.
      const fence = '`'.repeat(Math.max(3, longestRun(code, '`') + 1));
      this.#write(`${fence}\n${code}\n${fence}`);
    }
    this.#break(2);
  }

  result(): string {
    while (this.#codeDepth > 0) this.closeCode();
    return this.#parts.join('');
  }

  /** Breaks even after the mark of an item or between cells, which then had no text. */
  #force(newlines: number): void {
    if (this.#code) return;
    this.#prefix = '';
    this.#separator = '';
    this.#break(newlines);
  }

  #break(newlines: number): void {
    // What opens inside a heading, an item or a cell before its text is part of it.
    if (this.#code || this.#prefix !== '' || this.#separator !== '') return;
    this.#newlines = Math.max(this.#newlines, this.#inHeading ? 2 : newlines);
    // A heading is one line, even if its end is missing.
    this.#inHeading = false;
  }

  #write(text: string): void {
    const beginsLine = this.#parts.length === 0 || this.#newlines > 0;
    if (this.#parts.length > 0) this.#parts.push('\n'.repeat(this.#newlines));
    if (this.#space && !beginsLine && !this.#separator) this.#parts.push(' ');
    // Empty cells at the beginning of a row keep their place.
    this.#parts.push(beginsLine ? this.#separator.trimStart() : this.#separator);
    this.#parts.push(this.#prefix, text);
    this.#newlines = 0;
    this.#space = false;
    this.#separator = '';
    this.#prefix = '';
  }
}

function longestRun(text: string, character: string): number {
  let longest = 0;
  let run = 0;
  for (const other of text) {
    run = other === character ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

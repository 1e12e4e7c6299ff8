import type { Io, Output } from '../command.js';

const repaintMs = 80;

/** Lines and one changing status line on stderr, so that stdout holds nothing but results. */
export class Terminal {
  readonly #output: Output;
  readonly #colour: boolean;
  #status = '';
  #paintedAt = 0;

  constructor({ stderr, env }: Pick<Io, 'stderr' | 'env'>) {
    this.#output = stderr;
    this.#colour = stderr.isTTY && !env['NO_COLOR'];
  }

  line(text = ''): void {
    this.clear();
    this.#output.write(`${text}\n`);
  }

  /** Grey, for what may be skipped. */
  note(text: string): void {
    this.line(this.paint('90', text));
  }

  /** Bold. */
  title(text: string): void {
    this.line(this.paint('1', text));
  }

  /** Shows what goes on, on a terminal only. */
  status(text: string): void {
    if (!this.#output.isTTY) return;
    const now = performance.now();
    if (now - this.#paintedAt < repaintMs) return;
    this.#paintedAt = now;
    const fitting = text.slice(0, Math.max(10, this.#output.columns - 1));
    this.#output.write(`\r\u001B[2K${fitting}`);
    this.#status = fitting;
  }

  /** A bar with a share in [0, 1]. */
  progress(label: string, share: number, detail = ''): void {
    const width = 24;
    const full = Math.round(Math.min(1, Math.max(0, share)) * width);
    const bar = '█'.repeat(full) + '░'.repeat(width - full);
    this.status(`${label} ${bar} ${Math.floor(share * 100)}%${detail && ` ${detail}`}`);
  }

  /** Takes the status line away. Write to stdout only after this. */
  clear(): void {
    if (this.#status === '') return;
    this.#output.write('\r\u001B[2K');
    this.#status = '';
    this.#paintedAt = 0;
  }

  paint(code: string, text: string): string {
    return this.#colour ? `\u001B[${code}m${text}\u001B[0m` : text;
  }
}

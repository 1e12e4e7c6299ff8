import type { DocumentWarning, SkippedFile } from '../fs/index.js';
import { counted } from './report/format.js';
import type { Terminal } from './report/terminal.js';

/** Lines about single files; of more, the number is told. */
const most = 20;
/** What people chose to leave out, or never meant to be read. */
const silent: ReadonlySet<string> = new Set(['extension', 'excluded']);

/** Says what was left out or read only in part, a line each, and does not bury what else is said. */
export class DocumentNotes {
  readonly #terminal: Terminal;
  readonly #packages = new Map<string, number>();
  #told = 0;
  #untold = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  skipped({ path, reason, detail }: SkippedFile): void {
    if (silent.has(reason)) return;
    if (reason === 'missing-package') {
      this.#packages.set(detail, (this.#packages.get(detail) ?? 0) + 1);
    } else this.#tell(`Skipped ${path}: ${detail}`);
  }

  warned({ path, detail }: DocumentWarning): void {
    this.#tell(`${path}: ${detail}`);
  }

  /** Once all is read. */
  end(): void {
    for (const [detail, count] of this.#packages) {
      this.#terminal.note(`Skipped ${counted(count, 'file')}: ${detail}`);
    }
    if (this.#untold > 0)
      this.#terminal.note(`${counted(this.#untold, 'more note')} of this kind.`);
  }

  #tell(line: string): void {
    if (this.#told++ < most) this.#terminal.note(line);
    else this.#untold++;
  }
}

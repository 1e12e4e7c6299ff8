import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { strftime } from './pinned-date.js';

const MAX_RANGE = 100_000;

/** A parsed Jinja template. */
export class JinjaTemplate {
  readonly #program: ReturnType<typeof parse>;

  /** @throws Error when the source cannot be parsed. */
  constructor(source: string) {
    this.#program = parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true }));
  }

  /**
   * Renders with these variables, and a clock that stands still.
   * @throws Error when the template raises one.
   */
  render(variables: Readonly<Record<string, unknown>>, onDate: () => void = () => {}): string {
    const globals: Readonly<Record<string, unknown>> = {
      true: true,
      True: true,
      false: false,
      False: false,
      none: null,
      None: null,
      range,
      raise_exception: (message: unknown) => {
        throw new Error(String(message));
      },
      // The package's own `Template` does not let this one be replaced.
      strftime_now: (format: unknown) => {
        onDate();
        return strftime(String(format));
      },
    };
    const environment = new Environment();
    for (const [name, value] of Object.entries({ ...globals, ...variables })) {
      environment.set(name, value);
    }
    const rendered: { value: unknown } = new Interpreter(environment).run(this.#program);
    return String(rendered.value);
  }
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (!(length <= MAX_RANGE)) throw new Error(`range() would give ${length} numbers`);
  return Array.from({ length }, (_, i) => start + i * step);
}

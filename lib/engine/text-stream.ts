import { InvalidArgumentError } from '../errors.js';

export interface TextStreamOptions {
  /** Strings that end the text; none of them is ever shown. Default: none. */
  readonly stop?: readonly string[];
}

/**
 * Turns the bytes of tokens into text as they come. A character that is spread over several tokens is held
 * back until it is whole, and text that may turn out to be the beginning of a stop string until that is
 * decided. All pieces together are what decoding all bytes at once would give, up to the stop string.
 *
 * The stop string that is complete first wins, whatever the token borders; of two that end together, the
 * longer one.
 */
export class TextStream {
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #stops: readonly string[];
  #pending = '';
  #stopped: string | undefined;

  /** @throws InvalidArgumentError for an empty stop string. */
  constructor(options: TextStreamOptions = {}) {
    const stops = options.stop ?? [];
    if (stops.includes('')) throw new InvalidArgumentError('A stop string must not be empty.');
    // Text is well-formed, so a stop string must be to be found in it.
    this.#stops = stops.map((stop) =>
      new TextDecoder('utf-8', { ignoreBOM: true }).decode(new TextEncoder().encode(stop)),
    );
  }

  /** The stop string that ended the text, if one did. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** Takes the bytes of one or more tokens; returns the text that is certain now. Nothing after a stop. */
  push(bytes: Uint8Array): string {
    if (this.#stopped !== undefined) return '';
    return this.#take(this.#decoder.decode(bytes, { stream: true }), false);
  }

  /** Ends the text: returns what was held back. Bytes of a character that never became whole are U+FFFD. */
  flush(): string {
    if (this.#stopped !== undefined) return '';
    return this.#take(this.#decoder.decode(), true);
  }

  #take(text: string, end: boolean): string {
    this.#pending += text;
    const cut = this.#findStop();
    const length = cut ?? (end ? this.#pending.length : this.#certain());
    const ready = this.#pending.slice(0, length);
    this.#pending = cut === undefined ? this.#pending.slice(length) : '';
    return ready;
  }

  /** Where the stop string that is complete first begins. */
  #findStop(): number | undefined {
    let best: { start: number; end: number } | undefined;
    for (const stop of this.#stops) {
      const start = this.#pending.indexOf(stop);
      if (start < 0) continue;
      const end = start + stop.length;
      if (!best || end < best.end || (end === best.end && start < best.start)) {
        best = { start, end };
        this.#stopped = stop;
      }
    }
    return best?.start;
  }

  /** Length of the pending text that cannot become part of a stop string. */
  #certain(): number {
    const { length } = this.#pending;
    let held = 0;
    for (const stop of this.#stops) {
      for (let size = Math.min(stop.length - 1, length); size > held; size--) {
        if (stop.startsWith(this.#pending.slice(length - size))) held = size;
      }
    }
    return length - held;
  }
}

import { InvalidArgumentError } from '../errors.js';
import type { Steps } from '../pace.js';
import { BorderMarker, MAX_SEPARATORS, type BorderMap } from './border-map.js';

/** The separators that chunkweave finds itself. */
export type SeparatorName = 'heading' | 'paragraph' | 'line' | 'sentence' | 'clause';

/**
 * Where a text may be cut: a name, or a literal text before or after which to cut, for example
 * `{ before: '\nclass ' }` or `{ after: '\n---\n' }`.
 */
export type Separator = SeparatorName | { readonly before: string } | { readonly after: string };

export const defaultSeparators: readonly SeparatorName[] = [
  'heading',
  'paragraph',
  'line',
  'sentence',
  'clause',
];

/** Those of LangChain's recursive splitter for plain text; each stays with what follows it. Words come after them anyway. */
export const langchainSeparators: readonly Separator[] = [{ before: '\n\n' }, { before: '\n' }];

/** Those of Chroma's report on chunkers, in its order. */
export const chromaSeparators: readonly Separator[] = [
  ...langchainSeparators,
  { before: '.' },
  { before: '?' },
  { before: '!' },
];

/** @throws InvalidArgumentError for an unknown name, an empty literal, or too many of them. */
export function checkSeparators(separators: readonly Separator[]): void {
  if (separators.length > MAX_SEPARATORS) {
    throw new InvalidArgumentError(
      `At most ${MAX_SEPARATORS} separators, not ${separators.length}.`,
    );
  }
  for (const separator of separators) {
    if (typeof separator === 'string') {
      if (defaultSeparators.includes(separator)) continue;
      throw new InvalidArgumentError(
        `Unknown separator "${String(separator)}". Known: ${defaultSeparators.join(', ')}; ` +
          'or { before: text } or { after: text }.',
      );
    }
    if (!literalOf(separator))
      throw new InvalidArgumentError('A literal separator must not be empty.');
  }
}

/** Separators as one line, for a chunker's name. */
export function describeSeparators(separators: readonly Separator[]): string {
  return separators
    .map((separator) => (typeof separator === 'string' ? separator : JSON.stringify(separator)))
    .join('>');
}

function literalOf(separator: Exclude<Separator, string>): string {
  return 'before' in separator ? separator.before : separator.after;
}

/** Characters looked through between two pauses. */
const windowSize = 1 << 18;

/** Strengthens the borders at every occurrence of the literal separators. */
export function* markLiterals(borders: BorderMap, separators: readonly Separator[]): Steps<void> {
  const { text } = borders;
  for (const [strength, separator] of separators.entries()) {
    if (typeof separator === 'string') continue;
    const literal = literalOf(separator);
    const offset = 'before' in separator ? 0 : literal.length;
    const marker = new BorderMarker(borders);
    // Each window reaches into the next by one literal less one character, so none is missed or met twice.
    for (let from = 0; from < text.length; from += windowSize) {
      const view = text.slice(from, from + windowSize + literal.length - 1);
      let hits = 0;
      for (let at = view.indexOf(literal); at >= 0; at = view.indexOf(literal, at + 1)) {
        marker.mark(from + at + offset, strength);
        if ((++hits & 0x3ff) === 0) yield from / text.length;
      }
      yield from / text.length;
    }
  }
}

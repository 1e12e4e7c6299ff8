import { isBlank } from './chunkers/characters.js';
import type { Chunker } from './chunkers/chunker.js';
import type { Chunk, Document, DocumentSection, TokenizedDocument } from './document.js';
import type { Tokenizer } from './engine/tokenizer.js';
import { InvalidArgumentError, TokenizerError } from './errors.js';
import { runSteps, type Steps } from './pace.js';

/** What a single call may be given. */
export interface TokenizeDocumentOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Gives a document its tokens, once and for all.
 *
 * @throws TokenizerError when the tokenizer's starts do not describe the text.
 */
export async function tokenizeDocument(
  document: Document,
  tokenizer: Tokenizer,
  options: TokenizeDocumentOptions = {},
): Promise<TokenizedDocument> {
  const { signal } = options;
  const tokens = await tokenizer.encode(document.text, signal ? { signal } : {});
  const tokenized = { ...document, tokens };
  await runSteps(checkStarts(tokenized), { signal });
  return tokenized;
}

export interface ChunkDocumentOptions {
  /** Not needed for a document that has its tokens. */
  readonly tokenizer?: Tokenizer | undefined;
  readonly chunker: Chunker;
  readonly signal?: AbortSignal | undefined;
  /** Share of the document that is cut, in [0, 1]. */
  readonly onProgress?: ((share: number) => void) | undefined;
}

/**
 * Cuts a document into passages, and checks every one: a chunker from elsewhere cannot bring in spans that
 * do not match the text or the tokens. What `document.chunkMetadata`
 * and `document.sections` say goes into their metadata.
 *
 * @throws InvalidArgumentError when neither tokens nor a tokenizer are there, or the chunker breaks its contract.
 * @throws TokenizerError when the tokenizer breaks its contract.
 */
export async function chunkDocument(
  document: Document | TokenizedDocument,
  options: ChunkDocumentOptions,
): Promise<Chunk[]> {
  const { tokenizer, chunker, signal, onProgress } = options;
  const tokenized = await withTokens(document, tokenizer, signal);
  const chunks = await chunker.chunk(tokenized, {
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  });
  await checkChunks(tokenized, chunks, { chunkerName: chunker.name, signal });
  return withOwnMetadata(document, chunks);
}

/** Chunks with what the document says of them beside what the chunker does. */
function withOwnMetadata(document: Document, chunks: Chunk[]): Chunk[] {
  const { chunkMetadata, sections = [] } = document;
  if (!chunkMetadata && sections.length === 0) return chunks;
  let next = 0;
  return chunks.map((chunk) => {
    const first = chunk.start + chunk.text.search(/\S/);
    while (next < sections.length && (sections[next] as DocumentSection).start <= first) next++;
    const headings = sections[next - 1]?.headings ?? [];
    return {
      ...chunk,
      metadata: { ...(headings.length > 0 && { headings }), ...chunk.metadata, ...chunkMetadata },
    };
  });
}

async function withTokens(
  document: Document | TokenizedDocument,
  tokenizer: Tokenizer | undefined,
  signal: AbortSignal | undefined,
): Promise<TokenizedDocument> {
  if ('tokens' in document) return document;
  if (tokenizer) return tokenizeDocument(document, tokenizer, { signal });
  throw new InvalidArgumentError(`Document "${document.id}" has no tokens: pass a tokenizer.`);
}

export interface CheckChunksOptions {
  /** Named in the error. */
  readonly chunkerName: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Checks chunks against their document: ids unique; spans in order, on token borders, exact in text and
 * tokens, none blank; every non-blank character in one of them. Spans may overlap.
 *
 * @throws InvalidArgumentError that names the chunker, the chunk and what is wrong.
 */
export async function checkChunks(
  document: TokenizedDocument,
  chunks: readonly Chunk[],
  options: CheckChunksOptions,
): Promise<void> {
  const refuse = (problem: string) =>
    new InvalidArgumentError(
      `The chunker "${options.chunkerName}" broke its contract on document "${document.id}": ${problem}`,
    );
  if (!Array.isArray(chunks)) throw refuse('it returned no array of chunks.');
  await runSteps(chunkChecks(document, chunks, refuse), { signal: options.signal });
}

function* chunkChecks(
  document: TokenizedDocument,
  chunks: readonly Chunk[],
  refuse: (problem: string) => Error,
): Steps<void> {
  const ids = new Set<string>();
  let covered = 0;
  let previous: Chunk | undefined;
  for (const [i, chunk] of chunks.entries()) {
    const problem = chunkProblem(document, chunk, previous);
    if (problem) throw refuse(`chunk ${i} ${problem}.`);
    if (ids.has(chunk.id)) throw refuse(`chunk ${i} has the id "${chunk.id}" of an earlier one.`);
    ids.add(chunk.id);
    yield* gapChecks(document.text, covered, chunk.start, refuse);
    covered = chunk.end;
    previous = chunk;
    yield i / chunks.length;
  }
  yield* gapChecks(document.text, covered, document.text.length, refuse);
}

function* gapChecks(
  text: string,
  from: number,
  to: number,
  refuse: (problem: string) => Error,
): Steps<void> {
  for (let start = from; start < to; start += 0x4000) {
    if (!isBlank(text, start, Math.min(start + 0x4000, to))) {
      throw refuse(`text between ${from} and ${to} is in no chunk.`);
    }
    yield start / text.length;
  }
}

/** What is wrong with a chunk, or undefined. */
function chunkProblem(
  document: TokenizedDocument,
  chunk: Chunk,
  previous: Chunk | undefined,
): string | undefined {
  const { text, tokens } = document;
  const { start, end, tokenStart } = chunk;
  if (typeof chunk.id !== 'string' || chunk.id === '') return 'has no id';
  if (chunk.documentId !== document.id) return `belongs to document "${chunk.documentId}"`;
  if (!Number.isInteger(start) || !Number.isInteger(end) || start < 0 || end > text.length) {
    return `has the span ${start} to ${end} in a text of ${text.length}`;
  }
  if (start >= end) return `is empty: it spans ${start} to ${end}`;
  if (previous && (start <= previous.start || end <= previous.end)) {
    return `(${start} to ${end}) is not after the one before it (${previous.start} to ${previous.end})`;
  }
  if (chunk.text !== text.slice(start, end)) return 'has another text than its span';
  if (isBlank(text, start, end)) return `is blank: it spans ${start} to ${end}`;
  const tokenEnd = tokenStart + chunk.tokens.length;
  if (tokens.starts[tokenStart] !== start || tokens.starts[tokenEnd] !== end) {
    return `(${start} to ${end}) does not begin and end where its tokens ${tokenStart} to ${tokenEnd} do`;
  }
  for (let i = tokenStart; i < tokenEnd; i++) {
    if (chunk.tokens[i - tokenStart] !== tokens.ids[i])
      return `has another token ${i} than its document`;
  }
  return undefined;
}

function* checkStarts(document: TokenizedDocument): Steps<void> {
  const { text, tokens } = document;
  const { ids, starts } = tokens;
  const refuse = (problem: string) =>
    new TokenizerError(
      `The tokenizer broke its contract on document "${document.id}": ${problem}.`,
    );
  if (starts.length !== ids.length + 1) {
    throw refuse(`${ids.length} tokens have ${starts.length} starts`);
  }
  if (starts[ids.length] !== text.length) {
    throw refuse(`the last start is ${starts[ids.length]}, not the text's length ${text.length}`);
  }
  if (ids.length > 0 && starts[0] !== 0)
    throw refuse(`the first token starts at ${starts[0]}, not 0`);
  if (ids.length === 0) {
    yield* gapChecks(text, 0, text.length, () => refuse('a text that is not blank has no tokens'));
  }
  let last = 0;
  for (let i = 0; i < ids.length; i++) {
    const start = starts[i] ?? -1;
    if (start !== -1 && (start < last || start > text.length)) {
      throw refuse(`token ${i} starts at ${start}, after one that starts at ${last}`);
    }
    if (start >= 0) last = start;
    if ((i & 0x3fff) === 0) yield i / ids.length;
  }
}

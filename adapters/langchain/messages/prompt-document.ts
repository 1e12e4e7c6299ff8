import type { DocumentInterface } from '@langchain/core/documents';
import { contentHash } from '../../../lib/chunkers/chunk-id.js';
import { InvalidArgumentError } from '../../../lib/errors.js';

/** A document that stands in a message. */
export interface PromptDocument {
  /** Given, or made from the text. */
  readonly id: string;
  readonly text: string;
  readonly title?: string;
}

/** The documents of a prompt in the order of the messages. What comes twice stands once. */
export class PromptDocuments {
  readonly #byId = new Map<string, PromptDocument>();

  /** @throws InvalidArgumentError for an id that another text has already. */
  add({ id, text, title }: { id?: unknown; text: string; title?: unknown }): void {
    if (text.trim() === '') return;
    const named = typeof id === 'string' && id !== '' ? id : `text-${contentHash(text)}`;
    const known = this.#byId.get(named);
    if (known && known.text !== text) {
      throw new InvalidArgumentError(
        `Two documents of the prompt have the id "${named}" and different texts. Give each its own id, or none.`,
      );
    }
    if (known) return;
    const titled = typeof title === 'string' && title !== '' ? { title } : {};
    this.#byId.set(named, { id: named, text, ...titled });
  }

  get all(): PromptDocument[] {
    return [...this.#byId.values()];
  }
}

/** LangChain's standard content block for plain text. */
export type DocumentBlock = {
  readonly type: 'text-plain';
  readonly mimeType: 'text/plain';
  readonly text: string;
  readonly id?: string;
  readonly title?: string;
};

/**
 * Documents as content blocks of a message, which {@link ChatChunkweave} weaves:
 *
 *     new HumanMessage({ content: [...documentBlocks(found), { type: 'text', text: question }] })
 *
 * Ids are kept where documents have them; the title is `metadata.title`, or `metadata.source`.
 */
export function documentBlocks(documents: readonly DocumentInterface[]): DocumentBlock[] {
  return documents.map(({ id, pageContent, metadata }): DocumentBlock => {
    const title = titleOf(metadata);
    return {
      type: 'text-plain',
      mimeType: 'text/plain',
      text: pageContent,
      ...(id !== undefined && { id }),
      ...(title !== undefined && { title }),
    };
  });
}

/** Documents as text between markers, for prompt templates: `<document id="…" title="…">…</document>`, one a line. */
export function documentsText(documents: readonly DocumentInterface[]): string {
  return documents
    .map(({ id, pageContent, metadata }) => {
      const attributes = { id, title: titleOf(metadata) };
      const written = Object.entries(attributes).flatMap(([name, value]) =>
        value === undefined ? [] : [` ${name}="${quoted(value)}"`],
      );
      // A text that holds the marker itself must not end its document early.
      const text = pageContent.replaceAll('</document', String.raw`<\/document`);
      return `<document${written.join('')}>${text}</document>`;
    })
    .join('\n');
}

export function titleOf(metadata: Readonly<Record<string, unknown>>): string | undefined {
  for (const value of [metadata['title'], metadata['source']]) {
    if (typeof value === 'string' && value !== '') return value;
  }
  return undefined;
}

function quoted(value: string): string {
  const escapes = [
    ['&', '&amp;'],
    ['"', '&quot;'],
    ['<', '&lt;'],
    ['>', '&gt;'],
  ] as const;
  return escapes.reduce((text, [plain, escape]) => text.replaceAll(plain, escape), value);
}

const marked = /<document((?:\s+[\w-]+="[^"<>]*")*)\s*>([\s\S]*?)<\/document>\n?/g;

/** Takes the documents between markers out of a text. */
export function takeMarked(text: string, documents: PromptDocuments): string {
  return text.replace(marked, (_, attributes: string, body: string) => {
    const { id, title } = Object.fromEntries(
      Array.from(attributes.matchAll(/([\w-]+)="([^"]*)"/g), ([, name, value]) => [
        name,
        unquoted(value as string),
      ]),
    ) as { id?: string; title?: string };
    documents.add({ id, title, text: body.replaceAll(String.raw`<\/document`, '</document') });
    return '';
  });
}

function unquoted(value: string): string {
  const plain = { '&amp;': '&', '&quot;': '"', '&lt;': '<', '&gt;': '>' } as const;
  return value.replace(/&(?:amp|quot|lt|gt);/g, (escape) => plain[escape as keyof typeof plain]);
}

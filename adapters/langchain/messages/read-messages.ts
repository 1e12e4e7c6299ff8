import { AIMessage, type BaseMessage, ToolMessage } from '@langchain/core/messages';
import { InvalidArgumentError } from '../../../lib/errors.js';
import { writeToolCall } from '../../../lib/grammar/tool-call-grammar.js';
import { exchangesOf } from '../../../lib/weave/chat/kept-chats.js';
import type { ChatExchange } from '../../../lib/weave/chat/exchange.js';
import { type PromptDocument, PromptDocuments, takeMarked, titleOf } from './prompt-document.js';

/** What messages ask for, taken apart as a weave takes it. */
export interface ReadMessages {
  /** Text of the system messages without documents; absent where there was none. */
  readonly system?: string;
  readonly documents: readonly PromptDocument[];
  /** What the person asks: the last human message. */
  readonly question: string;
  /** What stands after the documents: earlier turns, the question, what tools said since. */
  readonly text: string;
  /** The same without the earlier turns. */
  readonly last: string;
  /** The earlier turns, where they are questions and answers; undefined where tools spoke, or somebody twice. */
  readonly exchanges: readonly ChatExchange[] | undefined;
}

type Role = 'system' | 'user' | 'assistant' | 'tool';

interface Turn {
  readonly role: Role;
  readonly name: string;
  readonly text: string;
}

/**
 * Takes system text, documents and turns out of messages. Documents are content blocks of the types `text-plain` and
 * `document`, text between `<document>` and `</document>`, and the artifact of a tool message where it is a list of
 * LangChain documents.
 *
 * @throws InvalidArgumentError for messages without text, content that is no text, and documents with one id.
 */
export function readMessages(messages: readonly BaseMessage[]): ReadMessages {
  const documents = new PromptDocuments();
  const callNames = new Map<string, string>();
  const turns = messages.map((message) => readTurn(message, documents, callNames));
  const systems = turns.filter(({ role, text }) => role === 'system' && text !== '');
  const talk = turns.filter(({ role }) => role !== 'system');
  const last = talk.findLastIndex(({ role }) => role === 'user');
  const question = talk[last]?.text ?? '';
  if (question === '') {
    throw new InvalidArgumentError(
      last < 0
        ? 'The messages hold no human message. Add one with the question.'
        : 'The last human message has no text beside its documents. Add the question.',
    );
  }
  const earlier = talk.slice(0, last).filter(hasText).map(written);
  const since = talk
    .slice(last + 1)
    .filter(hasText)
    .map(written);
  const asked = [question, ...(since.length > 0 ? [since.join('\n')] : [])];
  const parts = [
    ...(earlier.length > 0 ? [`The conversation so far:\n${earlier.join('\n')}`] : []),
    ...asked,
  ];
  return {
    ...(systems.length > 0 && { system: systems.map(({ text }) => text).join('\n\n') }),
    documents: documents.all,
    question,
    text: parts.join('\n\n'),
    last: asked.join('\n\n'),
    exchanges: exchangesBefore(talk.slice(0, last).filter(hasText)),
  };
}

function exchangesBefore(turns: readonly Turn[]): readonly ChatExchange[] | undefined {
  if (turns.some(({ role }) => role === 'tool')) return undefined;
  return exchangesOf(
    turns.map(({ role, text }) => ({
      role: role === 'user' ? 'user' : 'assistant',
      content: text,
    })),
  );
}

const hasText = ({ text }: Turn): boolean => text !== '';

function written({ role, name, text }: Turn): string {
  const who = role === 'user' ? 'User' : role === 'assistant' ? 'Assistant' : `Result of ${name}`;
  return `${who}: ${text}`;
}

/** @param callNames names of the tools that were called so far, by the ids of the calls. */
function readTurn(
  message: BaseMessage,
  documents: PromptDocuments,
  callNames: Map<string, string>,
): Turn {
  const role = roleOf(message);
  const isResult = ToolMessage.isInstance(message);
  const called = isResult ? callNames.get(message.tool_call_id) : undefined;
  const name = message.name ?? called ?? 'a tool';
  const found = isResult ? artifactDocuments(message.artifact) : [];
  for (const document of found) documents.add(document);
  // The text that a retriever tool gives beside its artifact repeats the documents.
  if (found.length > 0) return { role, name, text: '' };
  const said = textOf(message, role, documents).trim();
  const calls = AIMessage.isInstance(message) ? (message.tool_calls ?? []) : [];
  const written = calls.map((call) => {
    if (call.id !== undefined) callNames.set(call.id, call.name);
    return writeToolCall({ tool: call.name, input: JSON.stringify(call.args) });
  });
  return { role, name, text: [said, ...written].filter(Boolean).join('\n') };
}

function roleOf(message: BaseMessage): Role {
  const type = message.getType();
  switch (type) {
    case 'human':
      return 'user';
    case 'ai':
      return 'assistant';
    case 'system':
    case 'developer':
      return 'system';
    case 'tool':
    case 'function':
      return 'tool';
    default: {
      const { role } = message as { readonly role?: unknown };
      if (role === 'user' || role === 'assistant' || role === 'system' || role === 'tool') {
        return role;
      }
      if (role === 'human') return 'user';
      const named = role === undefined ? '' : ` with the role "${String(role)}"`;
      throw new InvalidArgumentError(
        `A message of the type "${type}"${named} cannot be answered. Use system, human, ai and tool messages.`,
      );
    }
  }
}

function textOf({ content }: BaseMessage, role: Role, documents: PromptDocuments): string {
  // What the model itself said is never taken for a document.
  const take = (text: string) => (role === 'assistant' ? text : takeMarked(text, documents));
  if (typeof content === 'string') return take(content);
  const texts = content.map((block) => {
    if (block.type === 'text') return take(String(block['text'] ?? ''));
    const document = blockDocument(block);
    if (document) {
      documents.add(document);
      return '';
    }
    // A model's own calls and thoughts are no part of what it said.
    if (role === 'assistant') return '';
    throw new InvalidArgumentError(
      `A message holds content of the type "${String(block.type)}", and the model reads text only. Leave it out, or turn it into text.`,
    );
  });
  return texts.join('');
}

interface FoundDocument {
  readonly id?: unknown;
  readonly text: string;
  readonly title?: unknown;
}

/** A document among content blocks: `text-plain` of LangChain 1.x, or `document` with a source of text. */
function blockDocument(block: Readonly<Record<string, unknown>>): FoundDocument | undefined {
  const { type, id, title, text, source } = block;
  if (type === 'text-plain') {
    if (typeof text === 'string') return { id, title, text };
    throw new InvalidArgumentError(
      'A content block of the type "text-plain" has no text. Give `text`; data and URLs are not read.',
    );
  }
  if (type !== 'document') return undefined;
  const { data, type: kind } = (source ?? {}) as {
    readonly data?: unknown;
    readonly type?: unknown;
  };
  if (typeof data === 'string' && kind === 'text') return { id, title, text: data };
  if (typeof text === 'string') return { id, title, text };
  throw new InvalidArgumentError(
    'A content block of the type "document" has no text. Give `text`, or a `source` of the type "text".',
  );
}

function artifactDocuments(artifact: unknown): FoundDocument[] {
  if (!Array.isArray(artifact)) return [];
  const found: FoundDocument[] = [];
  for (const each of artifact as readonly unknown[]) {
    const { id, pageContent, metadata } = (each ?? {}) as Readonly<Record<string, unknown>>;
    if (typeof pageContent !== 'string') return [];
    const title = titleOf((metadata ?? {}) as Readonly<Record<string, unknown>>);
    found.push({ id, text: pageContent, title });
  }
  return found;
}

import type { ChatTurn } from '../../lib/engine/chat.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import { writeToolCall } from '../../lib/grammar/tool-call-grammar.js';
import type { Message, Prompt, ToolOutput } from './contract.js';

/** A prompt as the chat format takes it: every turn is text. */
export interface Conversation {
  readonly system: string;
  /** Turns before the last, in which the roles alternate. */
  readonly history: readonly ChatTurn[];
  /** What is answered: the text of the last turn. */
  readonly prompt: string;
  /** False where the last message holds results of tools. */
  readonly isQuestion: boolean;
}

/**
 * Reads a prompt. Text files become text; tool calls and their results are written as JSON, the form in which the model is
 * asked to write them. Reasoning of earlier turns is left out, as is usual.
 *
 * @throws InvalidArgumentError for content that is no text, no text at all, or a prompt that ends with the assistant's turn.
 */
export function readConversation(prompt: Prompt): Conversation {
  const system: string[] = [];
  const turns: { role: ChatTurn['role']; content: string }[] = [];
  for (const message of prompt) {
    if (message.role === 'system') {
      system.push(message.content);
      continue;
    }
    const role = message.role === 'assistant' ? 'assistant' : 'user';
    const content = textOf(message);
    const last = turns.at(-1);
    if (last?.role === role) last.content = [last.content, content].filter(Boolean).join('\n\n');
    else turns.push({ role, content });
  }
  const last = turns.pop();
  if (last?.role !== 'user' || last.content.trim() === '') {
    throw new InvalidArgumentError(
      'The prompt must end with a message of the user, or results of tools, that holds text.',
    );
  }
  return {
    system: system.join('\n\n'),
    history: turns,
    prompt: last.content,
    isQuestion: prompt.at(-1)?.role === 'user',
  };
}

/** The text of the last message, where that is the user's: what to retrieve for. */
export function questionOf(prompt: Prompt): string | undefined {
  const last = prompt.at(-1);
  if (last?.role !== 'user') return undefined;
  const text = last.content.flatMap((part) => (part.type === 'text' ? [part.text] : [])).join('\n');
  return text.trim() === '' ? undefined : text;
}

function textOf(message: Exclude<Message, { role: 'system' }>): string {
  const texts: string[] = [];
  for (const part of message.content) {
    switch (part.type) {
      case 'text':
        texts.push(part.text);
        break;
      case 'file':
        texts.push(textOfFile(part.mediaType, part.data));
        break;
      case 'tool-call':
        texts.push(writeToolCall({ tool: part.toolName, input: JSON.stringify(part.input) }));
        break;
      case 'tool-result':
        texts.push(`Result of ${part.toolName}: ${textOfOutput(part.output)}`);
        break;
      case 'reasoning':
        break;
      default:
        throw new InvalidArgumentError(
          `Messages with parts of type "${part.type}" are not supported.`,
        );
    }
  }
  return texts.join('\n\n');
}

function textOfFile(mediaType: string, data: Uint8Array | string | URL): string {
  const isText = mediaType.startsWith('text/') || mediaType === 'application/json';
  if (!isText || data instanceof URL) {
    const what = data instanceof URL ? `at the address ${data.href}` : `of the type ${mediaType}`;
    throw new InvalidArgumentError(
      `The model reads text only, no file ${what}. Give its text instead.`,
    );
  }
  return new TextDecoder().decode(typeof data === 'string' ? Buffer.from(data, 'base64') : data);
}

function textOfOutput(output: ToolOutput): string {
  switch (output.type) {
    case 'text':
      return output.value;
    case 'error-text':
      return `Error: ${output.value}`;
    case 'json':
      return JSON.stringify(output.value);
    case 'error-json':
      return `Error: ${JSON.stringify(output.value)}`;
    case 'execution-denied':
      return output.reason === undefined ? 'It was denied.' : `It was denied: ${output.reason}`;
    case 'content':
      return output.value
        .map((part) => {
          if (part.type === 'text') return part.text;
          throw new InvalidArgumentError(
            `A tool gave content of type "${part.type}"; the model reads text only.`,
          );
        })
        .join('\n');
  }
}

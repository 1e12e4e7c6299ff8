import { randomUUID } from 'node:crypto';
import type { BindToolsInput, ToolChoice } from '@langchain/core/language_models/chat_models';
import type { InvalidToolCall, ToolCall, ToolCallChunk } from '@langchain/core/messages/tool';
import { convertToOpenAITool } from '@langchain/core/utils/function_calling';
import { InvalidArgumentError } from '../../../lib/errors.js';
import type { JsonSchema } from '../../../lib/grammar/json-schema.js';
import {
  describeTools,
  readToolCall,
  toolCallGrammar,
  type ToolShape,
} from '../../../lib/grammar/tool-call-grammar.js';

/** How an answer may call tools. */
export interface ToolForm {
  /** GBNF. */
  readonly grammar: string;
  /** What the system message says of them. */
  readonly instructions: string;
  /** What of the tools' schemas the grammar does not hold to: whoever runs them checks their input. */
  readonly notes: readonly string[];
}

export interface ToolOptions {
  readonly tools?: readonly BindToolsInput[];
  readonly tool_choice?: ToolChoice | undefined;
}

/** Tools as data, which callbacks and caches can write down. */
export function toolDefinitions(tools: readonly BindToolsInput[]): BindToolsInput[] {
  return tools.map((tool) =>
    convertToOpenAITool(tool as Parameters<typeof convertToOpenAITool>[0]),
  );
}

/**
 * The tools that an answer may call; undefined where it may call none.
 * @throws InvalidArgumentError for a choice that is not among them, SamplingError for an input schema that no grammar is made of.
 */
export function toolForm({
  tools = [],
  tool_choice: choice = 'auto',
}: ToolOptions): ToolForm | undefined {
  const shapes = toolDefinitions(tools).map(shapeOf);
  const named = nameOf(choice);
  if (named !== undefined && !shapes.some(({ name }) => name === named)) {
    const known = shapes.map(({ name }) => name).join(', ') || 'none';
    throw new InvalidArgumentError(
      `tool_choice asks for "${named}", but the tools are: ${known}. Bind it with bindTools.`,
    );
  }
  if (choice === 'none' || shapes.length === 0) {
    if (choice === 'none' || choice === 'auto') return undefined;
    throw new InvalidArgumentError(
      'tool_choice asks for a call, but there are no tools. Bind some with bindTools.',
    );
  }
  const usable = named === undefined ? shapes : shapes.filter(({ name }) => name === named);
  const text = choice === 'auto';
  const { grammar, notes } = toolCallGrammar(usable, { text });
  return { grammar, notes, instructions: describeTools(usable, { text }) };
}

function shapeOf(definition: BindToolsInput): ToolShape {
  const { function: told } = definition as {
    readonly function?: {
      readonly name?: unknown;
      readonly description?: string;
      readonly parameters?: unknown;
    };
  };
  if (typeof told?.name !== 'string' || told.name === '') {
    throw new InvalidArgumentError(
      'A tool has no name. Give tools of LangChain, or { type: "function", function: { name, description, parameters } }.',
    );
  }
  const inputSchema = (told.parameters ?? { type: 'object', properties: {} }) as JsonSchema;
  return { name: told.name, description: told.description, inputSchema };
}

/** The one tool that must be called, where it is said which. */
function nameOf(choice: ToolChoice): string | undefined {
  if (typeof choice === 'string') {
    return ['auto', 'any', 'required', 'none'].includes(choice) ? undefined : choice;
  }
  const { name, function: told } = choice as {
    readonly name?: string;
    readonly function?: { readonly name?: string };
  };
  const named = told?.name ?? name;
  if (typeof named === 'string') return named;
  throw new InvalidArgumentError(
    `tool_choice is ${JSON.stringify(choice)}; give 'auto', 'any', 'none' or the name of a tool.`,
  );
}

/** What a message holds of an answer that may be a call. */
export interface CalledMessage {
  readonly content: string;
  readonly tool_calls: ToolCall[];
  readonly invalid_tool_calls: InvalidToolCall[];
}

export function readAnswer(text: string, form: ToolForm | undefined): CalledMessage {
  const none = { content: text, tool_calls: [], invalid_tool_calls: [] };
  if (!form || !text.startsWith('{')) return none;
  const id = randomUUID();
  const call = readToolCall(text);
  if (call) {
    const args = JSON.parse(call.input) as ToolCall['args'];
    return { ...none, content: '', tool_calls: [{ type: 'tool_call', id, name: call.tool, args }] };
  }
  const error = 'The call was cut short by the limit of tokens.';
  const args = text.replace(callHead, '');
  const name = headName(text);
  const broken: InvalidToolCall = {
    type: 'invalid_tool_call',
    id,
    args,
    error,
    ...(name !== undefined && { name }),
  };
  return { ...none, content: '', invalid_tool_calls: [broken] };
}

const callHead = /^\{"tool": ("(?:[^"\\]|\\.)*"), "input": /;

function headName(text: string): string | undefined {
  const written = callHead.exec(text)?.[1];
  return written === undefined ? undefined : (JSON.parse(written) as string);
}

/** Tells text from a call as an answer comes in pieces, and gives the call's input as it comes. */
export class CallSplitter {
  readonly #id = randomUUID();
  readonly #isCalling: boolean;
  #kind: 'unknown' | 'text' | 'head' | 'input' = 'unknown';
  #held = '';

  constructor(form: ToolForm | undefined) {
    this.#isCalling = form !== undefined;
  }

  /** The pieces that are certain now. */
  push(piece: string): (string | ToolCallChunk)[] {
    if (piece === '') return [];
    if (this.#kind === 'unknown') {
      this.#kind = this.#isCalling && piece.startsWith('{') ? 'head' : 'text';
    }
    if (this.#kind === 'text') return [piece];
    this.#held += piece;
    const chunks: ToolCallChunk[] = [];
    if (this.#kind === 'head') {
      const name = headName(this.#held);
      if (name === undefined) return [];
      this.#held = this.#held.replace(callHead, '');
      this.#kind = 'input';
      chunks.push(this.#chunk('', name));
    }
    // The last brace may be the call's own.
    const certain = this.#held.slice(0, -1);
    this.#held = this.#held.slice(-1);
    if (certain !== '') chunks.push(this.#chunk(certain));
    return chunks;
  }

  /** What is left when the answer is over: of a call that was cut short all that was written. */
  end(isWhole: boolean): (string | ToolCallChunk)[] {
    const rest = this.#held;
    this.#held = '';
    if (rest === '' || (isWhole && this.#kind === 'input')) return [];
    return [this.#chunk(rest)];
  }

  #chunk(args: string, name?: string): ToolCallChunk {
    const isFirst = name !== undefined;
    return { type: 'tool_call_chunk', index: 0, args, ...(isFirst && { id: this.#id, name }) };
  }
}

import type { SamplingOptions } from '../../lib/engine/sampling.js';
import { InvalidArgumentError } from '../../lib/errors.js';
import { jsonSchemaGrammar } from '../../lib/grammar/json-schema-grammar.js';
import type { JsonSchema } from '../../lib/grammar/json-schema.js';
import { describeTools, toolCallGrammar } from '../../lib/grammar/tool-call-grammar.js';
import type { FunctionTool, ModelCall, Warning } from './contract.js';
import { type Conversation, readConversation } from './conversation.js';
import { type ChunkweaveProviderOptions, readProviderOptions } from './provider-options.js';

/** A call as both kinds of models take it. */
export interface ModelRequest {
  readonly conversation: Conversation;
  /** What the system message says beside the caller's: tools, and the form of the answer. */
  readonly instructions: readonly string[];
  /** The answer may be a tool call. */
  readonly callsTools: boolean;
  readonly maxTokens: number | undefined;
  readonly stop: readonly string[] | undefined;
  readonly sampling: SamplingOptions;
  readonly options: ChunkweaveProviderOptions;
  readonly signal: AbortSignal | undefined;
  readonly warnings: Warning[];
}

export interface ReadRequestOptions {
  /** False where nothing can be told to the model but the question. */
  readonly takesTools: boolean;
}

/** @throws InvalidArgumentError, SamplingError for schemas that no grammar is made for. */
export function readRequest(call: ModelCall, { takesTools }: ReadRequestOptions): ModelRequest {
  const warnings: Warning[] = [];
  const options = readProviderOptions(call.providerOptions);
  const form = formOf(call, takesTools, warnings);
  if (form.grammar !== undefined && options.grammar !== undefined) {
    throw new InvalidArgumentError(
      'providerOptions.chunkweave.grammar cannot be used together with tools or a JSON response.',
    );
  }
  const grammar = form.grammar ?? options.grammar;
  const { temperature, topP, topK, presencePenalty, frequencyPenalty, seed } = call;
  const { minP, repeatPenalty, penaltyWindow } = options;
  const sampling = defined({
    temperature,
    topP,
    topK,
    presencePenalty,
    frequencyPenalty,
    seed,
    minP,
    repeatPenalty,
    penaltyWindow,
    grammar,
  });
  return {
    conversation: readConversation(call.prompt),
    instructions: form.instructions,
    callsTools: form.callsTools,
    maxTokens: call.maxOutputTokens,
    stop: call.stopSequences,
    sampling,
    options,
    signal: call.abortSignal,
    warnings,
  };
}

interface AnswerForm {
  readonly grammar?: string;
  readonly instructions: readonly string[];
  readonly callsTools: boolean;
}

function formOf(call: ModelCall, takesTools: boolean, warnings: Warning[]): AnswerForm {
  const tools = toolsOf(call, takesTools, warnings);
  if (call.responseFormat?.type === 'json') {
    if (tools.length > 0) {
      const details = 'A JSON response was asked for as well: the tools are left out.';
      warnings.push({ type: 'unsupported', feature: 'tools', details });
    }
    const { schema } = call.responseFormat;
    const { grammar, notes } = jsonSchemaGrammar(schema as JsonSchema | undefined, {
      beyond: 'widen',
    });
    for (const message of notes) warnings.push({ type: 'other', message });
    const wanted =
      schema === undefined
        ? 'Answer with a JSON object.'
        : `Answer with JSON of this schema: ${JSON.stringify(schema)}`;
    return { grammar, instructions: [wanted], callsTools: false };
  }
  if (tools.length === 0) return { instructions: [], callsTools: false };
  const text = (call.toolChoice?.type ?? 'auto') === 'auto';
  const shapes = tools.map(({ name, description, inputSchema }) => ({
    name,
    description,
    inputSchema: inputSchema as JsonSchema,
  }));
  const { grammar, notes } = toolCallGrammar(shapes, { text });
  for (const message of notes) warnings.push({ type: 'other', message });
  return { grammar, instructions: [describeTools(shapes, { text })], callsTools: true };
}

function toolsOf(call: ModelCall, takesTools: boolean, warnings: Warning[]): FunctionTool[] {
  const { tools = [], toolChoice = { type: 'auto' } } = call;
  if (toolChoice.type === 'none') return [];
  const usable: FunctionTool[] = [];
  for (const tool of tools) {
    if (tool.type === 'provider') {
      warnings.push({ type: 'unsupported', feature: `provider-defined tool ${tool.id}` });
    } else {
      usable.push(tool);
    }
  }
  if (!takesTools && usable.length > 0) {
    const details =
      'A weave answers from passages and calls no tools. Use a model of an engine, with retrieval as one of its tools.';
    warnings.push({ type: 'unsupported', feature: 'tools', details });
    return [];
  }
  const chosen =
    toolChoice.type === 'tool' ? usable.filter(({ name }) => name === toolChoice.toolName) : usable;
  if (toolChoice.type === 'tool' && chosen.length === 0) {
    throw new InvalidArgumentError(`There is no tool "${toolChoice.toolName}" to choose.`);
  }
  return chosen;
}

function defined<T extends object>(values: T): { [Name in keyof T]?: NonNullable<T[Name]> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [Name in keyof T]?: NonNullable<T[Name]>;
  };
}

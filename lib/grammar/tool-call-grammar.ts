import { InvalidArgumentError } from '../errors.js';
import { grouped, literal } from './gbnf.js';
import type { JsonSchema } from './json-schema.js';
import type { JsonGrammar, JsonGrammarOptions } from './json-schema-grammar.js';
import { SchemaRules } from './schema-rules.js';

/** A tool and the JSON schema of its arguments. */
export interface ToolShape {
  readonly name: string;
  /** What it is for, as the model is told. */
  readonly description?: string | undefined;
  readonly inputSchema: JsonSchema;
}

export interface ToolCallGrammarOptions extends JsonGrammarOptions {
  /** Whether the answer may be text instead. */
  readonly text: boolean;
}

/** A tool call as the grammar has it. */
export interface WrittenToolCall {
  readonly tool: string;
  /** JSON. */
  readonly input: string;
}

/**
 * A grammar of answers that are one tool call, `{"tool": "name", "input": {…}}`; where `text` is true, or any text that does
 * not begin with a brace or a space. The first character tells which, so no text is ever taken for a call.
 *
 * Whoever runs a tool checks its input, so by default input schemas are widened.
 *
 * @throws InvalidArgumentError without tools, SamplingError for an input schema that cannot be put as a grammar.
 */
export function toolCallGrammar(
  tools: readonly ToolShape[],
  { text, beyond = 'widen' }: ToolCallGrammarOptions,
): JsonGrammar {
  if (tools.length === 0) throw new InvalidArgumentError('Give at least one tool.');
  const rules = new SchemaRules(beyond);
  const calls = tools.map(
    ({ name, inputSchema }) =>
      `"{\\"tool\\": " ${literal(JSON.stringify(name))} ", \\"input\\": " ${grouped(rules.add(inputSchema))} "}"`,
  );
  const free = text ? ['[^{ \\t\\r\\n] .*'] : [];
  return { grammar: rules.grammar([...calls, ...free].join(' | ')), notes: rules.notes };
}

/** What a model is told of tools, and of how {@link toolCallGrammar} has it call them. */
export function describeTools(
  tools: readonly ToolShape[],
  { text }: Pick<ToolCallGrammarOptions, 'text'>,
): string {
  const lines = tools.map(
    ({ name, description = '', inputSchema }) =>
      `- ${name}: ${description} Input schema: ${JSON.stringify(inputSchema)}`,
  );
  const how = text
    ? 'You can call these tools. To call one, answer with nothing but {"tool": name, "input": input}; else answer with text.'
    : 'Call one of these tools: answer with nothing but {"tool": name, "input": input}.';
  return [how, ...lines].join('\n');
}

/** A call as the model writes it. */
export function writeToolCall({ tool, input }: WrittenToolCall): string {
  return `{"tool": ${JSON.stringify(tool)}, "input": ${input}}`;
}

/** The call that an answer of {@link toolCallGrammar} makes; undefined for text, or a call that was cut short. */
export function readToolCall(answer: string): WrittenToolCall | undefined {
  if (!answer.startsWith('{')) return undefined;
  try {
    const { tool, input } = JSON.parse(answer) as { tool?: unknown; input?: unknown };
    return typeof tool === 'string' && input !== undefined
      ? { tool, input: JSON.stringify(input) }
      : undefined;
  } catch {
    return undefined;
  }
}

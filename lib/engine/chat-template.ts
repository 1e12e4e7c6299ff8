import { ChatTemplateError } from '../errors.js';
import type { ChatFormat, ChatFrame, ChatFrameOptions } from './chat.js';
import { JinjaTemplate } from './jinja.js';
import { pinnedDate } from './pinned-date.js';
import type { Tokenizer } from './tokenizer.js';

export interface ChatTemplateOptions {
  readonly tokenizer: Tokenizer;
  /** The Jinja template of the model file; without one the format is `plain`. */
  readonly template?: string;
  /** Further variables for the template, for example `{ enable_thinking: false }`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/**
 * Makes a chat format of a model's own template. The template is rendered around marks that stand for the
 * texts; then what lies between the marks is tokenised with special tokens, and the texts without. So a
 * text can never end a turn, and the template's tokens are the same for every text.
 *
 * A template that cannot be used this way is replaced by plain `User:` and `Assistant:` labels; the notes
 * say so and why.
 */
export function createChatFormat(options: ChatTemplateOptions): ChatFormat {
  const { tokenizer, template } = options;
  if (template === undefined || template.trim() === '') {
    return new PlainFormat(tokenizer, 'the model file has no chat template');
  }
  try {
    const renderer = new Renderer(template, tokenizer, options.variables ?? {});
    const style = chooseStyle(renderer);
    const notes: string[] = [];
    if (style.system === 'merged') {
      notes.push("the chat template has no system role: the system text leads the user's text");
    }
    if (renderer.askedForDate) {
      notes.push(`the chat template asks for today's date: it is always told ${pinnedDate()}`);
    }
    return new TemplateFormat(tokenizer, renderer, style, notes);
  } catch (error) {
    return new PlainFormat(tokenizer, `the chat template cannot be used (${messageOf(error)})`);
  }
}

/** How a template takes its texts. */
interface Style {
  /** Whether the system text is a message of its own or leads the first user text. */
  readonly system: 'role' | 'merged';
  /** Whether the content of a message is a string or a list of parts. */
  readonly content: 'string' | 'parts';
}

const STYLES: readonly Style[] = [
  { system: 'role', content: 'string' },
  { system: 'role', content: 'parts' },
  { system: 'merged', content: 'string' },
  { system: 'merged', content: 'parts' },
];

/** @throws ChatTemplateError when the template can be used in no style. */
function chooseStyle(renderer: Renderer): Style {
  let failure: unknown;
  for (const style of STYLES) {
    try {
      // A conversation that every template must take; the first style's complaint tells most.
      renderer.render({ system: 'system' }, style);
      renderer.render({}, style);
      return style;
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** A piece of the prompt: written by the template, or a text. */
interface Piece {
  readonly text: string;
  readonly isLiteral: boolean;
}

/** Renders a template around texts. */
class Renderer {
  /** Whether the template asked for the date so far. */
  askedForDate = false;
  readonly #template: JinjaTemplate;
  readonly #variables: Readonly<Record<string, unknown>>;

  constructor(source: string, tokenizer: Tokenizer, variables: Readonly<Record<string, unknown>>) {
    this.#template = new JinjaTemplate(source);
    this.#variables = {
      bos_token: tokenizer.bos < 0 ? '' : tokenizer.name(tokenizer.bos),
      eos_token: tokenizer.eos < 0 ? '' : tokenizer.name(tokenizer.eos),
      ...variables,
    };
  }

  /**
   * Pieces before the user's text, and the template's text after it.
   * @throws ChatTemplateError when the template refuses, or a text is lost, changed or doubled.
   */
  render(options: ChatFrameOptions, style: Style): { head: Piece[]; tail: string } {
    const { messages, texts } = compose(options, style);
    let rendered: string;
    try {
      rendered = this.#template.render(
        { ...this.#variables, messages, add_generation_prompt: true },
        () => {
          this.askedForDate = true;
        },
      );
    } catch (error) {
      throw new ChatTemplateError(messageOf(error), { cause: error });
    }
    return split(rendered, texts);
  }
}

/** The mark that stands for text `number`: no white space that trimming takes, no letter that has a case. */
function mark(number: number): string {
  return `\ue0a7${number}\ue0a8`;
}

const MARKS = /\ue0a7(\d+)\ue0a8/g;

/** Messages with marks for texts. Text 0 is the user's. */
function compose(
  { system, history = [] }: ChatFrameOptions,
  style: Style,
): { messages: unknown[]; texts: string[] } {
  const texts = [''];
  const turns = [...history, { role: 'user' as const, content: undefined }].map(
    ({ role, content }) => ({
      role: role as string,
      content: mark(content === undefined ? 0 : texts.push(content) - 1),
    }),
  );
  if (system) {
    if (style.system === 'role') {
      turns.unshift({ role: 'system', content: mark(texts.push(system) - 1) });
    } else {
      const first = turns.find(({ role }) => role === 'user') as { content: string };
      first.content = mark(texts.push(`${system}\n\n`) - 1) + first.content;
    }
  }
  const messages =
    style.content === 'string'
      ? turns
      : turns.map(({ role, content }) => ({ role, content: [{ type: 'text', text: content }] }));
  return { messages, texts };
}

function split(rendered: string, texts: readonly string[]): { head: Piece[]; tail: string } {
  const head: Piece[] = [];
  const seen = new Set<number>();
  let at = 0;
  for (const match of rendered.matchAll(MARKS)) {
    const number = Number(match[1]);
    if (seen.has(number)) throw new ChatTemplateError('it writes a message twice');
    if (seen.has(0)) throw new ChatTemplateError("it writes other messages after the user's");
    seen.add(number);
    head.push({ text: rendered.slice(at, match.index), isLiteral: true });
    if (number > 0) head.push({ text: texts[number] as string, isLiteral: false });
    at = match.index + match[0].length;
  }
  if (seen.size < texts.length) throw new ChatTemplateError('it leaves out or changes a message');
  return { head, tail: rendered.slice(at) };
}

class TemplateFormat implements ChatFormat {
  readonly source = 'model';
  readonly notes: readonly string[];
  readonly #tokenizer: Tokenizer;
  readonly #renderer: Renderer;
  readonly #style: Style;

  constructor(tokenizer: Tokenizer, renderer: Renderer, style: Style, notes: readonly string[]) {
    this.#tokenizer = tokenizer;
    this.#renderer = renderer;
    this.#style = style;
    this.notes = notes;
  }

  /** @throws ChatTemplateError when the template refuses the history, for example turns out of order. */
  async frame(options: ChatFrameOptions = {}): Promise<ChatFrame> {
    const { head, tail } = this.#renderer.render(options, this.#style);
    return {
      head: withBos(await encodePieces(this.#tokenizer, head), this.#tokenizer),
      tail: await encodePieces(this.#tokenizer, [{ text: tail, isLiteral: true }]),
    };
  }

  async between(): Promise<Int32Array> {
    const history = [
      { role: 'user' as const, content: 'question' },
      { role: 'assistant' as const, content: 'answer' },
    ];
    const { head } = this.#renderer.render({ history }, this.#style);
    const answer = head.findLastIndex(({ isLiteral, text }) => !isLiteral && text === 'answer');
    return encodePieces(this.#tokenizer, head.slice(answer + 1));
  }
}

class PlainFormat implements ChatFormat {
  readonly source = 'plain';
  readonly notes: readonly string[];
  readonly #tokenizer: Tokenizer;

  constructor(tokenizer: Tokenizer, reason: string) {
    this.#tokenizer = tokenizer;
    this.notes = [`${reason}: plain "User:" and "Assistant:" labels are used`];
  }

  async frame({ system, history = [] }: ChatFrameOptions = {}): Promise<ChatFrame> {
    const texts = [
      ...(system ? [`${system}\n\n`] : []),
      ...history.flatMap(({ role, content }) => [
        role === 'user' ? 'User: ' : 'Assistant: ',
        content,
        '\n',
      ]),
      'User: ',
    ];
    const pieces = texts.map((text) => ({ text, isLiteral: false }));
    return {
      head: withBos(await encodePieces(this.#tokenizer, pieces), this.#tokenizer),
      tail: (await this.#tokenizer.encode('\nAssistant:')).ids,
    };
  }

  async between(): Promise<Int32Array> {
    return (await this.#tokenizer.encode('\nUser: ')).ids;
  }
}

async function encodePieces(tokenizer: Tokenizer, pieces: readonly Piece[]): Promise<Int32Array> {
  const ids: number[] = [];
  for (const { text, isLiteral } of pieces) {
    if (text === '') continue;
    for (const id of (await tokenizer.encode(text, { special: isLiteral })).ids) ids.push(id);
  }
  return Int32Array.from(ids);
}

/** BOS once, whether the template wrote it or the model file asks for it. */
function withBos(ids: Int32Array, { bos, addBos }: Tokenizer): Int32Array {
  if (bos < 0) return ids;
  let written = 0;
  while (ids[written] === bos) written++;
  if (written === 0 && !addBos) return ids;
  const once = new Int32Array(ids.length - written + 1);
  once[0] = bos;
  once.set(ids.subarray(written), 1);
  return once;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

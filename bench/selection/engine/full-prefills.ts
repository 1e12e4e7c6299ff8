import type { Chunk, KvArena, KvEngine, KvSequence } from '../../../lib/index.js';
import type { PromptLayout } from '../../../lib/prompt.js';

/**
 * Losses of a question behind sets that are prefilled in full. Sets that begin alike share what they have in common, which gives what
 * each by itself would.
 */
export class FullPrefills implements AsyncDisposable {
  readonly #arena: KvArena;
  readonly #layout: PromptLayout;
  readonly #ask: Int32Array;
  /** Of the question's tokens, those before its own. */
  readonly #lead: number;
  readonly #known = new Map<string, KvSequence>();

  static async open(
    engine: KvEngine,
    layout: PromptLayout,
    { question, cells }: { readonly question: string; readonly cells: number },
  ): Promise<FullPrefills> {
    const before = (await engine.tokenizer.encode('Question:')).ids;
    const own = (await engine.tokenizer.encode(` ${question.trim()}`)).ids;
    const arena = await engine.createArena({ cells });
    const made = new FullPrefills(arena, layout, Int32Array.of(...before, ...own), before.length);
    const prefix = arena.createSequence();
    made.#known.set('', prefix);
    await prefix.append(layout.prefix, { logits: 'none' });
    return made;
  }

  private constructor(arena: KvArena, layout: PromptLayout, ask: Int32Array, lead: number) {
    this.#arena = arena;
    this.#layout = layout;
    this.#ask = ask;
    this.#lead = lead;
  }

  /** Of the question's own tokens, nats. */
  async losses(set: readonly Chunk[]): Promise<Float32Array> {
    let at = this.#known.get('') as KvSequence;
    let name = '';
    for (const chunk of set) {
      name += ` ${chunk.id}`;
      let next = this.#known.get(name);
      if (!next) {
        next = at.fork();
        this.#known.set(name, next);
        await next.append(this.#layout.passage(chunk), { logits: 'none' });
      }
      at = next;
    }
    using sequence = at.fork();
    const { losses } = await sequence.append(this.#ask, { logits: 'none', losses: true });
    return losses?.slice(this.#lead - 1, -1) ?? new Float32Array(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sequence of this.#known.values()) sequence.dispose();
    await this.#arena.dispose();
  }
}

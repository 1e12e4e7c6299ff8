import type { Chunk } from '../../document.js';
import type { KvSequence, RowGroup } from '../../engine/arena.js';
import { layerBytes, type ChunkKv } from '../../engine/chunk-kv.js';
import { ComputeError, InvalidArgumentError } from '../../errors.js';
import { assertQuestion } from '../../prompt.js';
import type {
  ChunkAttention,
  LossesOptions,
  ProbeWork,
  QuestionLosses,
  QuestionProbe,
  QuestionProbeOptions,
} from '../../select/question-probe.js';
import type { WeaveKit } from '../kit.js';
import type { Obtained } from '../kv-library.js';
import type { PromptPlace } from '../warmup/encodings.js';
import { entriesToRefresh, refreshCount } from './set-refresh.js';
import { pathTo, planSets, type SetBatch, type SetNode } from './set-tree.js';

type ProbeKit = Pick<
  WeaveKit,
  'engine' | 'arena' | 'cells' | 'prefix' | 'library' | 'encodings' | 'wanted'
>;

/** What stands between the chunks and the question; its tokens are computed, but their losses do not count. */
const lead = 'Question:';
/** Rows that the engine computes in one go. */
const mostRows = 512;

type Work = { -readonly [name in keyof ProbeWork]: ProbeWork[name] };

interface Asked {
  /** The lead, then the question. */
  readonly tokens: Int32Array;
  /** Number of the question's first token among them. */
  readonly from: number;
  readonly missing: 'encode' | 'leave';
  readonly signal: AbortSignal | undefined;
}

/** What is computed again behind a question. */
interface Again {
  /** Share of the tokens behind the first passage. */
  readonly share: number;
  /** By chunk: how much the question looks at its tokens. */
  readonly masses: ReadonlyMap<Chunk, Float32Array | undefined>;
}

/** Asks questions behind chunks of a weave, in its cells; holds none between calls. */
export class WovenProbe implements QuestionProbe {
  readonly #kit: ProbeKit;
  /** An engine looks through the same KV once only. */
  readonly #lowered = new WeakMap<ChunkKv, ChunkKv>();
  /** What the question asked last looks at, so that sets that come in several calls are looked through once. */
  #looked: { readonly question: string; readonly masses: Map<Chunk, Float32Array> } | undefined;

  constructor(kit: ProbeKit) {
    this.#kit = kit;
  }

  async losses(
    sets: readonly (readonly Chunk[])[],
    { refresh: share = 0, ...options }: LossesOptions,
  ): Promise<QuestionLosses> {
    if (!(share >= 0 && share <= 1)) {
      throw new InvalidArgumentError(`losses: refresh is ${share}; give a share from 0 to 1.`);
    }
    const asked = await this.#ask(options);
    const sizes = await this.#sizesOf(sets.flat());
    const work = noWork();
    const masses =
      share > 0 ? await this.#lookAt(sets, options, work) : new Map<Chunk, Float32Array>();
    const counts = sets.map((set) =>
      refreshCount(
        share,
        set.map((chunk) => sizes.get(chunk) ?? 0),
      ),
    );
    const batches = planSets(sets, {
      tokensOf: (chunk) => sizes.get(chunk) ?? 0,
      // What is computed again takes cells of its own beside those that sets share.
      askTokens: asked.tokens.length + counts.reduce((most, count) => Math.max(most, count), 0),
      mostCells: this.#mostCells,
      mostRows,
    });
    const losses: Float32Array[] = [];
    const missing = new Set<string>();
    const into = { losses, missing, work };
    for (const batch of batches) await this.#runBatch(batch, asked, { share, masses }, into);
    return { sets: losses, missing: [...missing], work };
  }

  async attention(
    chunks: readonly Chunk[],
    { layers: given, ...options }: QuestionProbeOptions & { readonly layers?: readonly number[] },
  ): Promise<ChunkAttention> {
    const asked = await this.#ask(options);
    const sizes = await this.#sizesOf(chunks);
    const layers = given ?? this.#kit.engine.model.probeLayers;
    const seen = new Map<Chunk, Float32Array>();
    const work = noWork();
    let batch: Chunk[] = [];
    let cells = asked.tokens.length;
    for (const chunk of new Set(chunks)) {
      const tokens = sizes.get(chunk) ?? 0;
      if (batch.length > 0 && cells + tokens > this.#mostCells) {
        await this.#attend({ chunks: batch, cells, layers }, asked, seen, work);
        batch = [];
        cells = asked.tokens.length;
      }
      batch.push(chunk);
      cells += tokens;
    }
    if (batch.length > 0) await this.#attend({ chunks: batch, cells, layers }, asked, seen, work);
    return { chunks: chunks.map((chunk) => seen.get(chunk)), layers, work };
  }

  /** How much the question looks at the tokens of chunks that stand behind others in a set. */
  async #lookAt(
    sets: readonly (readonly Chunk[])[],
    options: QuestionProbeOptions,
    work: Work,
  ): Promise<ReadonlyMap<Chunk, Float32Array>> {
    const { question } = options;
    if (this.#looked?.question !== question) this.#looked = { question, masses: new Map() };
    const { masses } = this.#looked;
    const open = [...new Set(sets.flatMap((set) => set.slice(1)))].filter(
      (chunk) => !masses.has(chunk),
    );
    if (open.length === 0) return masses;
    const seen = await this.attention(open, options);
    for (const [i, chunk] of open.entries()) {
      const mass = seen.chunks[i];
      if (mass) masses.set(chunk, mass);
    }
    for (const name of Object.keys(work) as (keyof Work)[]) work[name] += seen.work[name];
    return masses;
  }

  /** Half of all cells, so that answers go on meanwhile. */
  get #mostCells(): number {
    return this.#kit.cells.total >> 1;
  }

  async #ask({ question, missing = 'encode', signal }: QuestionProbeOptions): Promise<Asked> {
    assertQuestion(question);
    const { tokenizer } = this.#kit.engine;
    const signalled = signal ? { signal } : {};
    const before = (await tokenizer.encode(lead, signalled)).ids;
    const { ids } = await tokenizer.encode(` ${question.trim()}`, signalled);
    const tokens = Int32Array.of(...before, ...ids);
    return { tokens, from: before.length, missing, signal };
  }

  async #sizesOf(chunks: readonly Chunk[]): Promise<Map<Chunk, number>> {
    const { wanted } = this.#kit;
    const sizes = new Map<Chunk, number>();
    for (const chunk of new Set(chunks)) sizes.set(chunk, (await wanted.of(chunk)).tokens.length);
    return sizes;
  }

  async #runBatch(
    batch: SetBatch,
    asked: Asked,
    again: Again,
    into: { losses: Float32Array[]; missing: Set<string>; work: Work },
  ): Promise<void> {
    const { arena, engine } = this.#kit;
    const { signal } = asked;
    const { work, losses } = into;
    const places = batch.nodes.map(({ chunk, parent }) => ({ chunk, first: !parent }));
    await this.#withKv(places, batch.cells, asked, work, async (obtained, prefix) => {
      const open: KvSequence[] = [];
      const fork = (from: KvSequence): KvSequence => {
        const sequence = from.fork();
        open.push(sequence);
        return sequence;
      };
      try {
        const placing = performance.now();
        const at = new Map<SetNode, KvSequence>();
        const startOf = new Map<SetNode, number>();
        const placed = new Set<SetNode>();
        const placeOf = (node: SetNode | undefined) => (node && at.get(node)) ?? prefix;
        for (const [i, node] of batch.nodes.entries()) {
          const sequence = fork(placeOf(node.parent));
          at.set(node, sequence);
          startOf.set(node, sequence.length);
          const kv = obtained[i]?.record.kv;
          if (kv) placed.add(node);
          if (kv) await sequence.splice(kv, signal ? { signal } : {});
          else into.missing.add(node.chunk.id);
        }
        const computing = performance.now();
        work.placeMs += computing - placing;
        const rows = asked.tokens.length;
        const groups: RowGroup[] = [];
        /** Of each end, the row of its first question token. */
        const rowOf: number[] = [];
        let all = 0;
        for (const { node } of batch.ends) {
          const sequence = fork(placeOf(node));
          const path = node && again.share > 0 ? pathTo(node) : [];
          const passages = path.map((each) => ({
            start: startOf.get(each) ?? 0,
            masses: placed.has(each) ? again.masses.get(each.chunk) : undefined,
          }));
          const sizes = path.map(({ tokens }) => tokens);
          const entries = entriesToRefresh(passages, refreshCount(again.share, sizes));
          if (entries.length > 0) groups.push({ kind: 'refresh', sequence, entries });
          groups.push({ kind: 'append', sequence, tokens: asked.tokens });
          rowOf.push(all + entries.length);
          all += entries.length + rows;
        }
        const result = await arena.forward(groups, {
          logits: 'none',
          losses: true,
          ...(signal && { signal }),
        });
        if (!result.losses) throw new ComputeError('The engine gave no losses for the question.');
        work.computeMs += performance.now() - computing;
        work.batches++;
        work.layerTokens += all * engine.model.layers;
        for (const [i, { sets }] of batch.ends.entries()) {
          // A row's loss is that of the token after it.
          const row = rowOf[i] as number;
          const own = result.losses.slice(row + asked.from - 1, row + rows - 1);
          for (const set of sets) losses[set] = own;
        }
      } finally {
        for (const sequence of open) sequence.dispose();
      }
    });
  }

  async #attend(
    {
      chunks,
      cells,
      layers,
    }: { chunks: readonly Chunk[]; cells: number; layers: readonly number[] },
    asked: Asked,
    seen: Map<Chunk, Float32Array>,
    work: Work,
  ): Promise<void> {
    const { signal } = asked;
    const depth = (layers.at(-1) ?? 0) + 1;
    const places = chunks.map((chunk) => ({ chunk, first: true }));
    await this.#withKv(places, cells, asked, work, async (obtained, prefix) => {
      const sequence = prefix.fork();
      try {
        const placing = performance.now();
        const start = prefix.length;
        const position = start;
        for (const found of obtained) {
          if (!found) continue;
          const kv = this.#lower(found.record.kv, depth);
          await sequence.splice(kv, { position, ...(signal && { signal }) });
        }
        const computing = performance.now();
        work.placeMs += computing - placing;
        const { byEntry } = await sequence.probe(asked.tokens, {
          layers,
          ...(signal && { signal }),
        });
        work.computeMs += performance.now() - computing;
        work.batches++;
        work.layerTokens += asked.tokens.length * depth;
        // Masses of several batches compare by what is in all of them.
        const rest = sum(byEntry.subarray(0, start)) + sum(byEntry.subarray(sequence.length));
        let entry = start;
        for (const [i, found] of obtained.entries()) {
          if (!found) continue;
          const end = entry + found.record.kv.tokens.length;
          const own = byEntry.slice(entry, end).map((mass) => mass / rest);
          seen.set(chunks[i] as Chunk, own);
          entry = end;
        }
      } finally {
        sequence.dispose();
      }
    });
  }

  /** Layers above the last one that is asked need not be placed. */
  #lower(kv: ChunkKv, to: number): ChunkKv {
    if (to >= kv.layers.to) return kv;
    let lower = this.#lowered.get(kv);
    if (lower?.layers.to !== to) {
      const bytes = to * layerBytes(kv.layout, kv.tokens.length);
      lower = { ...kv, layers: { from: 0, to }, data: kv.data.subarray(0, bytes) };
      this.#lowered.set(kv, lower);
    }
    return lower;
  }

  /** Holds cells, and hands over the KV of chunks where they stand; undefined where it is missing. */
  async #withKv(
    places: readonly PromptPlace[],
    cells: number,
    { missing, signal }: Asked,
    work: Work,
    use: (obtained: readonly (Obtained | undefined)[], prefix: KvSequence) => Promise<void>,
  ): Promise<void> {
    const { library, encodings, prefix } = this.#kit;
    const distinct = new Map(places.map((place) => [nameOf(place), place]));
    const wanted = await encodings.at([...distinct.values()], signal);
    const lease = await this.#kit.cells.acquire(cells, signal);
    try {
      const { sequence } = await prefix.use(signal);
      const start = performance.now();
      const found = new Map<string, Obtained | undefined>();
      const names = [...distinct.keys()];
      let encodeMs = 0;
      if (missing === 'encode') {
        const obtaining = library.obtain(wanted, { signal });
        try {
          const items = await Promise.all(obtaining.items);
          for (const [i, item] of items.entries()) found.set(names[i] as string, item);
        } finally {
          // Cells in use by an encoding are not given back under it.
          await obtaining.settled;
        }
        ({ encodeMs } = obtaining.spent);
      } else {
        const items = await Promise.all(library.find(wanted, signal));
        for (const [i, item] of items.entries()) found.set(names[i] as string, item);
      }
      work.encodeMs += encodeMs;
      work.placeMs += Math.max(0, performance.now() - start - encodeMs);
      await use(
        places.map((place) => found.get(nameOf(place))),
        sequence,
      );
    } finally {
      lease.release();
    }
  }
}

function nameOf({ chunk, first }: PromptPlace): string {
  return `${first ? 'first' : 'later'} ${chunk.id}`;
}

function noWork(): Work {
  return { layerTokens: 0, batches: 0, placeMs: 0, computeMs: 0, encodeMs: 0 };
}

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

import type { Chunker } from '../chunkers/chunker.js';
import type { KvArena } from '../engine/arena.js';
import type { KvEngine } from '../engine/engine.js';
import type { PromptLayout } from '../prompt.js';
import type { Retriever } from '../retrieve/retriever.js';
import type { QuestionProbe } from '../select/question-probe.js';
import type { Selector, SetValue } from '../select/selector.js';
import type { CostModel } from '../reuse/cost/cost-model.js';
import type { ChunkStore } from '../store/chunk-store.js';
import type { BackgroundWriter } from './background-writer.js';
import type { CellBudget } from './cell-budget.js';
import type { Forgetter } from './forgetter.js';
import type { KvLibrary } from './kv-library.js';
import type { CanonicalPrefix } from './prefix.js';
import type { Registry } from './registry.js';
import type { WantedPassages } from './wanted-passages.js';
import type { SinglePass } from './single-pass/single-pass.js';
import type { RefreshShares } from './selection/refresh-shares.js';
import type { Encodings } from './warmup/encodings.js';
import type { NeighbourMaker } from './warmup/neighbour-maker.js';
import type { SegmentMaker } from './warmup/segment-maker.js';

/** The parts of a weave that asking and ingesting share. */
export interface WeaveKit {
  readonly engine: KvEngine;
  readonly arena: KvArena;
  readonly cells: CellBudget;
  readonly layout: PromptLayout;
  readonly prefix: CanonicalPrefix;
  readonly library: KvLibrary;
  readonly wanted: WantedPassages;
  readonly encodings: Encodings;
  readonly segments: SegmentMaker;
  readonly neighbours: NeighbourMaker;
  readonly store: ChunkStore;
  readonly writer: BackgroundWriter;
  readonly costs: CostModel;
  readonly forgetter: Forgetter;
  readonly chunker: Chunker;
  /** Where documents are cut and encoded in one pass. */
  readonly pass: SinglePass | undefined;
  readonly retriever: Retriever;
  readonly registry: Registry;
  /** Asks questions behind candidates. */
  readonly probe: QuestionProbe;
  /** Picks passages where nobody says otherwise; undefined: the best `topK`. */
  readonly selector: Selector | undefined;
  /** What a set is worth where nobody says otherwise. */
  readonly value: SetValue;
  readonly refreshShares: RefreshShares;
}

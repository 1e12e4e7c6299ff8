import type { VectorIndex } from '../retrieve/vector-index.js';
import type { Bytes } from '../retrieve/vectors/blocks.js';
import { vectorCases } from './conformance/vector-cases.js';
import { vectorFilterCases } from './conformance/vector-filter-cases.js';
import { plainSetting, type VectorIndexSetting, type VectorLab } from './conformance/vector-lab.js';
import { vectorReopeningCases, vectorSavingCases } from './conformance/vector-saving-cases.js';
import type { ConformanceRunner } from './engine-conformance.js';

export interface VectorConformanceOptions {
  /** Makes an empty index. The suite closes it. */
  readonly create: (setting: VectorIndexSetting) => Promise<VectorIndex> | VectorIndex;
  /** Brings back what `toBytes()` gave; leave it out where there is no such thing. */
  readonly restore?: (bytes: Bytes, setting: VectorIndexSetting) => Promise<VectorIndex>;
  /** Opens the entries of an index anew; leave it out where they do not outlast the index. */
  readonly reopen?: (index: VectorIndex, setting: VectorIndexSetting) => Promise<VectorIndex>;
  /** Share of the ten nearest that queries must find at least, over many of them; default 1, for exact indexes. */
  readonly minRecall?: number;
  /** Begins the names of the tests; default `vector index`. */
  readonly name?: string;
}

/** Checks any {@link VectorIndex} against the contract. Nothing is larger than 1,200 vectors of 8. */
export function vectorIndexConformance(
  runner: Pick<ConformanceRunner, 'test'>,
  options: VectorConformanceOptions,
): void {
  const { create, restore, reopen, minRecall = 1, name = 'vector index' } = options;
  const cases = {
    ...vectorCases,
    ...vectorFilterCases,
    ...(restore && vectorSavingCases),
    ...(reopen && vectorReopeningCases),
  };
  for (const [title, run] of Object.entries(cases)) {
    runner.test(`${name}: ${title}`, async () => {
      const opened: VectorIndex[] = [];
      const kept = async (opening: Promise<VectorIndex> | VectorIndex): Promise<VectorIndex> => {
        const index = await opening;
        opened.push(index);
        return index;
      };
      const lab: VectorLab = {
        create: (setting = {}) => kept(create({ ...plainSetting, ...setting })),
        restore: restore && ((bytes, setting) => kept(restore(bytes, setting))),
        reopen: reopen && ((index, setting) => kept(reopen(index, setting))),
        minRecall,
      };
      try {
        await run(lab);
      } finally {
        for (const index of opened) await index.close();
      }
    });
  }
}

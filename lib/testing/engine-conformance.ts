import type { KvEngine } from '../engine/engine.js';
import { attentionCases } from './conformance/attention-cases.js';
import { callCases } from './conformance/call-cases.js';
import { changeCases } from './conformance/change-cases.js';
import { DEFAULT_TOLERANCE, type Tolerance } from './conformance/compare.js';
import { correctionCases } from './conformance/correction-cases.js';
import { editingCases } from './conformance/editing-cases.js';
import { type ConformanceCase, Lab } from './conformance/lab.js';
import { modelCases } from './conformance/model-cases.js';
import { outputCases } from './conformance/output-cases.js';
import { passCases } from './conformance/pass-cases.js';
import { positionCases } from './conformance/position-cases.js';
import { refreshCases } from './conformance/refresh-cases.js';
import { sharingCases } from './conformance/sharing-cases.js';
import { spliceCases } from './conformance/splice-cases.js';
import { validationCases } from './conformance/validation-cases.js';

const CASES: readonly ConformanceCase[] = [
  ...modelCases,
  ...positionCases,
  ...spliceCases,
  ...refreshCases,
  ...sharingCases,
  ...passCases,
  ...attentionCases,
  ...outputCases,
  ...changeCases,
  ...editingCases,
  ...correctionCases,
  ...callCases,
  ...validationCases,
];

/** The parts of a test runner that the suite needs; Jest, Vitest and `node:test` have them. */
export interface ConformanceRunner {
  readonly test: (name: string, run: () => Promise<void>) => unknown;
  /** Called with what disposes the engine; without it the engine lives as long as the process. */
  readonly afterAll?: (run: () => Promise<void>) => unknown;
}

export interface ConformanceOptions {
  /** Makes an engine; always of the same model. The suite disposes it. */
  readonly createEngine: () => Promise<KvEngine>;
  /** How exact the engine is; what is left out has its default, fit for f16 KV and f32 weights. */
  readonly tolerance?: Partial<Tolerance>;
  /** Begins the names of the tests; default `engine`. */
  readonly name?: string;
}

/**
 * Checks any {@link KvEngine} against the contract, mostly by comparing with plain prefills on the same
 * engine. Prompts have 200 tokens at most, arenas 1,024 cells.
 */
export function engineConformance(runner: ConformanceRunner, options: ConformanceOptions): void {
  const { createEngine, name = 'engine' } = options;
  const tolerance = { ...DEFAULT_TOLERANCE, ...options.tolerance };
  let shared: Promise<KvEngine> | undefined;
  for (const { name: title, run } of CASES) {
    runner.test(`${name}: ${title}`, async () => {
      shared ??= createEngine();
      const engine = await shared;
      const arena = await engine.createArena({ cells: 1024 });
      try {
        await run(new Lab({ engine, arena, tolerance, createEngine }));
      } finally {
        await arena.dispose();
      }
    });
  }
  runner.afterAll?.(async () => {
    await (await shared)?.dispose();
  });
}

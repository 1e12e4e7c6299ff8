import { seededInteger, seededRandom } from '../random.js';
import type { ScoredChunk } from '../retrieve/retriever.js';
import type { Selection, SelectionRequest, Selector, SetValue } from '../select/selector.js';
import { equal, fails, failsWith, ok } from './conformance/assert.js';
import type { ConformanceRunner } from './engine-conformance.js';

export interface SelectorConformanceOptions {
  /** Makes a selector; always with the same options and seed. */
  readonly create: () => Selector;
  /** Begins the names of the tests; default `selector`. */
  readonly name?: string;
  /** Most candidates that the selector is given; default 10,000. At least 4. */
  readonly mostCandidates?: number;
}

/** Checks any {@link Selector} against the contract. Values and costs are the suite's own; no engine is needed. */
export function selectorConformance(
  runner: Pick<ConformanceRunner, 'test'>,
  options: SelectorConformanceOptions,
): void {
  const { create, name = 'selector', mostCandidates = 10_000 } = options;
  for (const [title, run] of Object.entries(cases)) {
    runner.test(`${name}: ${title}`, () => run(create, mostCandidates));
  }
}

/** Candidates with lengths of 5 to 30 tokens, best first. Equal seeds give equal ones. */
function sampleCandidates(count: number, seed: number): ScoredChunk[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, (_, i) => {
    const tokens = new Int32Array(5 + seededInteger(random, 26));
    const document = seededInteger(random, 4);
    return {
      chunk: {
        id: `d${document}#${i}`,
        documentId: `d${document}`,
        start: 100 * i,
        end: 100 * i + 90,
        text: `passage ${i}`,
        tokens,
        tokenStart: 20 * i,
      },
      score: (count - i + random()) / count,
    };
  });
}

/** Scores, less a little for each pair of one document, so that sets are worth other than the sum. */
const pairedValue: SetValue = {
  name: 'scores less pairs',
  of: async (sets) =>
    sets.map((set) => {
      const documents = set.map(({ chunk }) => chunk.documentId);
      const pairs = documents.filter((id, i) => documents.indexOf(id) !== i).length;
      return set.reduce((sum, { score }) => sum + score, 0) - 0.3 * pairs;
    }),
};

function requestOf(
  candidates: readonly ScoredChunk[],
  parts: Partial<SelectionRequest> = {},
): SelectionRequest {
  return {
    question: 'Which passage?',
    candidates,
    budget: 70,
    cost: {
      name: 'tokens',
      unit: 'tokens',
      of: (set) => set.reduce((sum, { chunk }) => sum + chunk.tokens.length, 0),
    },
    value: pairedValue,
    ...parts,
  };
}

/** A cost that is more than that of the parts: what follows another document's chunk costs extra. */
const unevenCost: SelectionRequest['cost'] = {
  name: 'uneven',
  unit: 'milliseconds',
  of: (set) =>
    set.reduce((sum, { chunk }) => sum + chunk.tokens.length, 0) +
    7 * new Set(set.map(({ chunk }) => chunk.documentId)).size,
};

async function holds(request: SelectionRequest, selection: Selection): Promise<void> {
  const { candidates, budget, cost, value } = request;
  const { chunks, decisions } = selection;
  const ids = chunks.map(({ chunk }) => chunk.id);
  equal(new Set(ids).size, ids.length, 'chosen chunks, each once');
  ok(
    chunks.every((chunk) => candidates.includes(chunk)),
    'a chunk was chosen that is not a candidate',
  );
  ok(selection.cost <= budget, `the selection costs ${selection.cost} of a budget of ${budget}`);
  equal(selection.cost, cost.of(chunks), 'cost');
  if (selection.value !== undefined) {
    const [own] = await value.of([chunks], { question: request.question });
    equal(selection.value, own as number, 'value');
  }
  equal(decisions.length, candidates.length, 'decisions, one for each candidate');
  for (const [i, { chunkId, chosen, reason, cost: alone }] of decisions.entries()) {
    const candidate = candidates[i] as ScoredChunk;
    equal(chunkId, candidate.chunk.id, `decision ${i}, chunk`);
    equal(chosen, chunks.includes(candidate), `decision ${i}, chosen`);
    ok(reason.trim() !== '', `decision ${i} has no reason`);
    equal(alone, cost.of([candidate]), `decision ${i}, cost`);
  }
}

/** A value that counts its calls, so that cases know whether a selector asks. */
function counted(of: SetValue['of']): { readonly value: SetValue; calls(): number } {
  let calls = 0;
  return {
    calls: () => calls,
    value: {
      name: 'counted',
      of: (...args) => {
        calls++;
        return of(...args);
      },
    },
  };
}

function byText(set: readonly ScoredChunk[]): ScoredChunk[] {
  return set.toSorted((a, b) => (a.chunk.text < b.chunk.text ? 1 : -1));
}

type Case = (create: () => Selector, mostCandidates: number) => Promise<void>;

const cases: Readonly<Record<string, Case>> = {
  'keeps to the budget, takes candidates only, and decides on each': async (create, most) => {
    for (const count of [1, 2, 5, 9]) {
      const candidates = sampleCandidates(Math.min(count, most), count);
      for (const budget of [5, 31, 70, 1e6]) {
        for (const cost of [unevenCost, requestOf([]).cost]) {
          const request = requestOf(candidates, { budget, cost });
          await holds(request, await create().select(request));
        }
      }
    }
  },
  'puts the chosen chunks into the order that was asked for': async (create, most) => {
    const candidates = sampleCandidates(Math.min(9, most), 3);
    const request = requestOf(candidates, { order: byText });
    const { chunks } = await create().select(request);
    equal(idsOf(chunks), idsOf(byText(chunks)), 'order');
  },
  'selects the same of the same': async (create, most) => {
    const request = requestOf(sampleCandidates(Math.min(9, most), 5));
    const selector = create();
    const first = JSON.stringify(await selector.select(request));
    equal(JSON.stringify(await selector.select(request)), first, 'the same selector again');
    equal(JSON.stringify(await create().select(request)), first, 'another one');
  },
  'gives an empty selection where nothing fits, or there is nothing': async (create, most) => {
    const candidates = sampleCandidates(Math.min(6, most), 6);
    const request = requestOf(candidates, { budget: 4.5 });
    const selection = await create().select(request);
    equal(selection.chunks.length, 0, 'chunks');
    equal(selection.cost, 0, 'cost');
    await holds(request, selection);
    const none = await create().select(requestOf([]));
    equal(none.chunks.length, 0, 'chunks of no candidates');
    equal(none.decisions.length, 0, 'decisions on no candidates');
  },
  'refuses budgets, deadlines and candidates that make no sense': async (create, most) => {
    const candidates = sampleCandidates(Math.min(4, most), 7);
    const refused: Partial<SelectionRequest>[] = [
      ...[0, -1, NaN].map((budget) => ({ budget })),
      ...[-1, NaN].map((deadlineMs) => ({ deadlineMs })),
      { candidates: [...candidates, candidates[0] as ScoredChunk] },
    ];
    for (const parts of refused) {
      await fails(
        () => create().select(requestOf(candidates, parts)),
        'INVALID_ARGUMENT',
        Object.keys(parts).join(),
      );
    }
  },
  'ends with the reason when aborted, also while a value is asked': async (create, most) => {
    const candidates = sampleCandidates(Math.min(6, most), 8);
    const reason = new Error('no longer wanted');
    await failsWith(
      () => create().select(requestOf(candidates, { signal: AbortSignal.abort(reason) })),
      reason,
      'aborted before',
    );
    const controller = new AbortController();
    const { value, calls } = counted(() => {
      controller.abort(reason);
      // Does not heed its signal.
      return new Promise(() => {});
    });
    const run = () => create().select(requestOf(candidates, { value, signal: controller.signal }));
    const caught = await run().then(
      () => undefined,
      (error: unknown) => error,
    );
    if (calls() > 0) ok(caught === reason, `aborted while a value was asked: ${String(caught)}`);
  },
  'reports values and costs that cannot be had, and goes on with the next request': async (
    create,
    most,
  ) => {
    const candidates = sampleCandidates(Math.min(6, most), 9);
    const selector = create();
    const broken: SetValue['of'][] = [
      async () => {
        throw new Error('out of order');
      },
      () => {
        throw new Error('out of order at once');
      },
      async (sets) => sets.map(() => NaN),
      async (sets) => sets.map(() => Infinity),
      async (sets) => [...sets.map(() => 1), 1],
      async () => [],
    ];
    for (const of of broken) {
      const { value, calls } = counted(of);
      const error = await selector.select(requestOf(candidates, { value })).then(
        () => undefined,
        (caught: unknown) => caught,
      );
      if (calls() === 0) continue;
      await fails(() => Promise.reject(error as Error), 'SELECTION', String(of));
    }
    for (const wrong of [NaN, -1, Infinity]) {
      const cost = { name: 'wrong', unit: 'tokens' as const, of: () => wrong };
      await fails(() => selector.select(requestOf(candidates, { cost })), 'SELECTION', `${wrong}`);
    }
    const dropping = requestOf(candidates, { order: (set) => set.slice(1), budget: 1e6 });
    await fails(() => selector.select(dropping), 'SELECTION', 'an order that drops a chunk');
    const request = requestOf(candidates);
    await holds(request, await selector.select(request));
  },
  'gives the best so far at the deadline, also from a value that never answers': async (
    create,
    most,
  ) => {
    const candidates = sampleCandidates(Math.min(8, most), 10);
    const { value, calls } = counted(() => new Promise(() => {}));
    for (const deadlineMs of [0, 30]) {
      const request = requestOf(candidates, { deadlineMs, value });
      const selection = await create().select(request);
      await holds(request, selection);
      if (calls() > 0) equal(selection.stopped, 'deadline', 'stopped');
    }
  },
  'comes to an end with many candidates': async (create, most) => {
    const request = requestOf(sampleCandidates(most, 11));
    await holds(request, await create().select(request));
  },
};

function idsOf(chunks: readonly ScoredChunk[]): string {
  return chunks.map(({ chunk }) => chunk.id).join();
}

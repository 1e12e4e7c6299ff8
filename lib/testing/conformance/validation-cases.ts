import type { KvArena, KvCorrection, KvSequence, RowGroup } from '../../engine/arena.js';
import type { KvLayout } from '../../engine/model-info.js';
import { ContextOverflowError } from '../../errors.js';
import { equal, fails, ok } from './assert.js';
import { concat, type ConformanceCase, numbers, span } from './lab.js';

type Calls = readonly (readonly [string, () => unknown])[];

/** What the engine refuses, and that nothing changes by it. */
export const validationCases: readonly ConformanceCase[] = [
  {
    name: 'bad tokens, positions, entries and spans are refused',
    run: async (lab) => {
      const { vocabSize, kv } = lab.engine.model;
      const { sequence } = await lab.prefill(lab.tokens(12, 1));
      const good = lab.tokens(3, 2);
      const chunk = await sequence.capture(span(2, 6));
      const badTokens = [Int32Array.of(-1), Int32Array.of(vocabSize), Int32Array.of(0, 2 ** 30)];
      const badEntries = [Int32Array.of(-1), Int32Array.of(12), Int32Array.of(3, 3)];
      const badSpans = [span(-1, 2), span(4, 3), span(0, 13), span(0.5, 2), span(NaN, NaN)];
      const badPositions = [Int32Array.of(1, 2), Int32Array.of(-1, 0, 1)];
      const calls: Calls = [
        ...badTokens.flatMap((tokens): Calls => [
          [`append ${tokens.join()}`, () => sequence.append(tokens)],
          [`probe ${tokens.join()}`, () => sequence.probe(tokens)],
          [`replace by ${tokens.join()}`, () => sequence.replace(span(1, 2), tokens)],
        ]),
        ...badEntries.map(
          (entries) => [`refresh ${entries.join()}`, () => sequence.refresh(entries)] as const,
        ),
        ...badPositions.map(
          (positions) =>
            [`positions ${positions.join()}`, () => sequence.append(good, { positions })] as const,
        ),
        ...badSpans.flatMap((bad): Calls => [
          [`refresh of ${name(bad)}`, () => sequence.refresh(bad)],
          [`capture of ${name(bad)}`, () => sequence.capture(bad)],
          [`load into ${name(bad)}`, () => sequence.load(bad, chunk)],
          [`move of ${name(bad)}`, () => sequence.move(bad, 1)],
          [`drop of ${name(bad)}`, () => sequence.drop(bad)],
          [`replace of ${name(bad)}`, () => sequence.replace(bad, good)],
          [`adopt of ${name(bad)}`, () => lab.arena.createSequence().adopt(sequence, bad)],
          [`correct of ${name(bad)}`, () => sequence.correct(bad, { layers: { from: 0, to: 1 } })],
          [`attention on ${name(bad)}`, () => sequence.probe(good, { spans: [shifted(bad)] })],
        ]),
        ['append nothing', () => sequence.append(new Int32Array())],
        ['probe by nothing', () => sequence.probe(new Int32Array())],
        ['an empty batch', () => lab.arena.forward([])],
        ['a pass over nothing', () => lab.arena.begin([])],
        ['attention of no layer', () => sequence.append(good, { attention: { layers: [] } })],
        [
          'one position twice',
          () => sequence.append(good, { positions: Int32Array.of(20, 21, 20) }),
        ],
        [
          'a correction that is no number',
          () =>
            sequence.correct(span(2, 6), {
              layers: { from: 0, to: 1 },
              values: new Float32Array(kv.valueWidth).fill(NaN),
            }),
        ],
        ['fork beyond the end', () => sequence.fork(13)],
        ['fork of a negative length', () => sequence.fork(-1)],
        ['fork of half an entry', () => sequence.fork(1.5)],
        ['splice at a negative position', () => sequence.splice(chunk, { position: -1 })],
        ['splice at half a position', () => sequence.splice(chunk, { position: 1.5 })],
        ['splice beyond all positions', () => sequence.splice(chunk, { position: 2 ** 31 - 2 })],
        ['move before the start', () => sequence.move(span(2, 6), -3)],
        ['move by a half', () => sequence.move(span(2, 6), 0.5)],
        ['move to nowhere', () => sequence.move(span(2, 6), NaN)],
        ['move beyond all positions', () => sequence.move(span(2, 6), 2 ** 31)],
        [
          'a correction of the wrong length',
          () =>
            sequence.correct(span(2, 6), {
              layers: { from: 0, to: 1 },
              keys: new Float32Array(kv.keyWidth * 3),
            }),
        ],
        ...badEntries.map(
          (entries) =>
            [
              `correct ${entries.join()}`,
              () => sequence.correct(entries, { layers: { from: 0, to: 1 } }),
            ] as const,
        ),
        ...badNames(sequence, kv),
      ];
      await lab.unchanged(sequence, async () => {
        for (const [what, call] of calls) await fails(call, 'INVALID_ARGUMENT', what);
      });
    },
  },
  {
    name: 'bad layers and rows are refused',
    run: async (lab) => {
      const { layers } = lab;
      const { sequence } = await lab.prefill(lab.tokens(10, 3));
      const tokens = lab.tokens(2, 4);
      const badLayers = [[-1], [layers], [0.5], [0, 0], ...(layers > 1 ? [[1, 0]] : [])];
      const badRanges = [
        { from: -1, to: 1 },
        { from: 0, to: layers + 1 },
        { from: 1, to: 1 },
        { from: 0, to: 0.5 },
      ];
      const calls: Calls = [
        ...badLayers.flatMap((bad): Calls => [
          [
            `attention in ${bad.join()}`,
            () => sequence.append(tokens, { attention: { layers: bad } }),
          ],
          [
            `hidden after ${bad.join()}`,
            () => sequence.append(tokens, { hidden: { layers: bad } }),
          ],
          [`deviation in ${bad.join()}`, () => sequence.refresh(span(0, 2), { deviation: bad })],
          [`probe of ${bad.join()}`, () => sequence.probe(tokens, { layers: bad })],
        ]),
        ...badRanges.flatMap((bad): Calls => [
          [`capture of layers ${name(bad)}`, () => sequence.capture(span(0, 2), { layers: bad })],
          [
            `correction of layers ${name(bad)}`,
            () => sequence.correct(span(0, 2), { layers: bad }),
          ],
        ]),
        ...[[-1], [2], [0, 0]].map(
          (rows) =>
            [
              `logits of rows ${rows.join()}`,
              () => sequence.append(tokens, { logits: Int32Array.from(rows) }),
            ] as const,
        ),
        [
          'a group that is not there',
          () => sequence.append(tokens, { attention: { groups: [1] } }),
        ],
        [
          'a pool beyond the rows',
          () => sequence.append(tokens, { hidden: { layers: [0], pool: [span(0, 3)] } }),
        ],
        ...badChanges(sequence, lab.arena, tokens),
      ];
      await lab.unchanged(sequence, async () => {
        for (const [what, call] of calls) await fails(call, 'INVALID_ARGUMENT', what);
      });
    },
  },
  {
    name: 'a batch with one bad group changes nothing',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(10, 5));
      const other = await lab.engine.createArena({ cells: 256 });
      const stranger = other.createSequence();
      const good: RowGroup = { kind: 'append', sequence, tokens: lab.tokens(2, 6) };
      const bad: readonly (readonly [string, readonly RowGroup[]])[] = [
        ['a bad entry', [good, { kind: 'refresh', sequence, entries: Int32Array.of(10) }]],
        ['a bad token', [good, { kind: 'append', sequence, tokens: Int32Array.of(-5) }]],
        [
          'an entry in two groups',
          [
            { kind: 'refresh', sequence, entries: Int32Array.of(1, 2) },
            { kind: 'refresh', sequence, entries: Int32Array.of(2) },
          ],
        ],
        ["another arena's", [good, { kind: 'append', sequence: stranger, tokens: good.tokens }]],
        ...malformed(sequence).map(([what, group]): readonly [string, readonly RowGroup[]] => [
          what,
          [good, group],
        ]),
      ];
      await lab.unchanged(sequence, async () => {
        for (const [what, groups] of bad) {
          await fails(() => lab.arena.forward(groups), 'INVALID_ARGUMENT', `forward, ${what}`);
          await fails(() => lab.arena.begin(groups), 'INVALID_ARGUMENT', `begin, ${what}`);
        }
        await fails(
          () => sequence.adopt(stranger, span(0, 0)),
          'INVALID_ARGUMENT',
          'adopt from another arena',
        );
      });
      await other.dispose();
    },
  },
  {
    name: 'what does not fit is refused before it is computed',
    run: async (lab) => {
      const arena = await lab.engine.createArena({ cells: 1 });
      equal(arena.cells, 256, 'cells, rounded up');
      const sequence = arena.createSequence();
      const error = await fails(
        () => sequence.append(concat(lab.tokens(200, 7), lab.tokens(57, 8))),
        'CONTEXT_OVERFLOW',
        'a prompt that is too long',
      );
      ok(error instanceof ContextOverflowError || 'needed' in error, 'no numbers in the error');
      const { needed, available } = error as ContextOverflowError;
      equal(needed, 257, 'tokens needed');
      equal(available, 256, 'tokens that fit');
      equal(arena.free, 256, 'free cells');

      const tokens = lab.tokens(16, 9);
      await sequence.append(tokens);
      const kv = await sequence.capture(span(0, 16));
      for (let i = 0; i < 14; i++) await sequence.splice(kv);
      equal(arena.free, 16, 'free cells');
      const fork = sequence.fork();
      const calls: Calls = [
        ['append', () => fork.append(lab.tokens(17, 10))],
        [
          'probe or append',
          () =>
            arena.forward([
              { kind: 'append', sequence, tokens: lab.tokens(9, 11) },
              { kind: 'append', sequence: fork, tokens: lab.tokens(8, 12) },
            ]),
        ],
        ['refresh of shared cells', () => fork.refresh(numbers(0, 17))],
        ['move of shared cells', () => fork.move(span(0, 17), 1)],
        [
          'correction of shared cells',
          () =>
            fork.correct(span(0, 17), {
              layers: { from: 0, to: 1 },
              values: new Float32Array(lab.engine.model.kv.valueWidth),
            }),
        ],
        ['replace', () => fork.replace(span(240, 240), lab.tokens(17, 13))],
        [
          'begin',
          () => arena.begin([{ kind: 'refresh', sequence: fork, entries: numbers(0, 17) }]),
        ],
      ];
      for (const [what, call] of calls) {
        await fails(call, 'CONTEXT_OVERFLOW', what);
        equal(arena.free, 16, `free cells after: ${what}`);
        equal(fork.length, 240, `length after: ${what}`);
      }
      await fork.splice(kv);
      await fails(() => sequence.splice(kv), 'CONTEXT_OVERFLOW', 'splice');
      equal(arena.free, 0, 'free cells in the end');
      fork.dispose();
      equal(arena.free, 16, 'free cells without the fork');
      await arena.dispose();
    },
  },
  {
    name: "positions beyond the model's context are refused",
    run: async (lab) => {
      const end = lab.engine.model.contextLength;
      const { sequence } = await lab.prefill(lab.tokens(6, 14));
      const kv = await sequence.capture(span(2, 5));
      const tokens = lab.tokens(2, 15);
      await lab.unchanged(sequence, async () => {
        const calls: Calls = [
          ['append', () => sequence.append(tokens, { positions: Int32Array.of(end - 1, end) })],
          ['splice', () => sequence.splice(kv, { position: end - 2 })],
          ['move', () => sequence.move(span(3, 6), end - 5)],
        ];
        for (const [what, call] of calls) await fails(call, 'CONTEXT_OVERFLOW', what);
      });
      await sequence.splice(kv, { position: end - 3 });
      await fails(() => sequence.append(tokens), 'CONTEXT_OVERFLOW', 'append at the end');
      await fails(() => sequence.probe(tokens), 'CONTEXT_OVERFLOW', 'probe at the end');
      await fails(
        () => sequence.replace(span(1, 1), tokens),
        'CONTEXT_OVERFLOW',
        'an insertion that pushes the end out',
      );
      equal(sequence.length, 9, 'length');
    },
  },
  {
    name: 'arenas without cells are refused',
    run: async (lab) => {
      for (const cells of [0, -1, 1.5, NaN]) {
        const create = () => lab.engine.createArena({ cells });
        await fails(create, 'INVALID_ARGUMENT', `${cells} cells`);
      }
    },
  },
];

/** Corrections by vectors that do not exist, or of other entries than are named. */
function badNames(sequence: KvSequence, kv: KvLayout): Calls {
  const entries = Int32Array.of(8, 3, 5);
  const layers = { from: 0, to: 1 };
  const keys = new Float32Array(2 * kv.keyWidth);
  const values = new Float32Array(2 * kv.valueWidth);
  const bad: readonly (readonly [string, KvCorrection])[] = [
    ['too few names', { layers, keys, of: Int32Array.of(0, 1) }],
    ['too many names', { layers, values, of: Int32Array.of(0, 1, 0, 1) }],
    ['names of nothing', { layers, of: Int32Array.of(0) }],
    ['a key vector that is not there', { layers, keys, of: Int32Array.of(0, 2, 1) }],
    ['a value vector that is not there', { layers, values, of: Int32Array.of(0, 2, 1) }],
    ['a vector below the first', { layers, keys, values, of: Int32Array.of(-1, 0, 1) }],
    ['half a vector', { layers, keys: keys.subarray(1), of: Int32Array.of(0, 0, 0) }],
    ['no vector', { layers, keys: new Float32Array(), of: Int32Array.of(0, 0, 0) }],
    ['two vectors for three entries', { layers, keys, values }],
    ['names in a plain list', { layers, keys, values, of: [0, 1, 0] as unknown as Int32Array }],
    [
      'half a name',
      { layers, keys, values, of: Float32Array.of(0, 0.5, 1) as unknown as Int32Array },
    ],
    ['not a number', { layers, keys: keys.map(() => NaN), of: Int32Array.of(0, 1, 0) }],
  ];
  return bad.map(([what, correction]) => [
    `correction with ${what}`,
    () => sequence.correct(entries, correction),
  ]);
}

/** Changes of what is not computed again, or over what are no spans, of a sequence of 10 entries. */
function badChanges(sequence: KvSequence, arena: KvArena, tokens: Int32Array): Calls {
  const groups: readonly RowGroup[] = [
    { kind: 'append', sequence, tokens },
    { kind: 'refresh', sequence, entries: Int32Array.of(4, 2) },
  ];
  const good = [span(0, 5)];
  const lists = [
    [span(-1, 3)],
    [span(5, 4)],
    [span(0, 13)],
    [span(0.5, 2)],
    [span(NaN, NaN)],
    [span(0, 5), span(4, 8)],
    [span(5, 8), span(0, 5)],
  ];
  return [
    ...[0, 2, -1, 0.5, NaN].map(
      (group) =>
        [
          `change of group ${group}`,
          () => arena.forward(groups, { change: { group, spans: good } }),
        ] as const,
    ),
    ...lists.map(
      (spans) =>
        [
          `change over ${spans.map(name).join(' and ')}`,
          () => arena.forward(groups, { change: { group: 1, spans } }),
        ] as const,
    ),
    [
      'change of appended tokens',
      () => sequence.append(tokens, { change: { group: 0, spans: good } }),
    ],
    [
      'change of no such group',
      () => sequence.refresh(span(0, 2), { change: { group: 1, spans: good } }),
    ],
  ];
}

function name(pair: object): string {
  return Object.values(pair).join(' to ');
}

/** A span that is bad for 12 entries is bad for the 15 of a probe, if it ends beyond them. */
function shifted({ start, end }: { start: number; end: number }): { start: number; end: number } {
  return end > 12 ? span(start, 16) : span(start, end);
}

/** Groups that only a caller without types can make. */
function malformed(sequence: KvSequence): readonly (readonly [string, RowGroup])[] {
  const tokens = [1, 2];
  const groups: readonly (readonly [string, object | null])[] = [
    ['no group', null],
    ['a group of another kind', { kind: 'insert', sequence, tokens: Int32Array.from(tokens) }],
    ['a group of no kind', { sequence, tokens: Int32Array.from(tokens) }],
    ['a group without a sequence', { kind: 'append', tokens: Int32Array.from(tokens) }],
    ['tokens that are missing', { kind: 'append', sequence }],
    ['tokens in a plain list', { kind: 'append', sequence, tokens }],
    [
      'positions in a plain list',
      { kind: 'append', sequence, tokens: Int32Array.from(tokens), positions: [90, 91] },
    ],
    ['entries that are missing', { kind: 'refresh', sequence }],
    ['entries in a plain list', { kind: 'refresh', sequence, entries: [1] }],
  ];
  return groups.map(([what, group]) => [what, group as RowGroup]);
}

import { defined, equal, ok, sameNumbers } from './assert.js';
import { sameMass } from './compare.js';
import { type ConformanceCase, numbers, span } from './lab.js';

/** Attention mass. */
export const attentionCases: readonly ConformanceCase[] = [
  {
    name: 'a probe is the attention of an append, and leaves nothing',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(50, 1));
      const question = lab.tokens(9, 2);
      const { layers } = lab;
      const all = [...numbers(0, layers)];
      const requests = [
        {},
        { layers: [0] },
        { layers: all, perLayer: true, spans: [span(0, 10), span(5, 50), span(50, 59)] },
      ];
      for (const request of requests) {
        let probed = await sequence.probe(question, request);
        await lab.unchanged(sequence, async () => {
          probed = await sequence.probe(question, request);
        });
        const fork = sequence.fork();
        const { attention } = await fork.append(question, { attention: request });
        const expected = defined(attention?.[0], 'attention');
        fork.dispose();
        sameNumbers(probed.layers, expected.layers, 'layers');
        sameMass(probed.byEntry, expected.byEntry, lab.tolerance.attention, 'by entry');
        equal(probed.bySpan === undefined, expected.bySpan === undefined, 'by span');
        if (probed.bySpan && expected.bySpan) {
          sameMass(probed.bySpan, expected.bySpan, lab.tolerance.attention, 'by span');
        }
      }
      const probed = await sequence.probe(question);
      sameNumbers(probed.layers, lab.engine.model.probeLayers, 'layers of a probe');
      equal(probed.byEntry.length, 59, "entries, the question's own included");
    },
  },
  {
    name: 'every head of every row gives away a mass of one',
    run: async (lab) => {
      const { heads } = lab.engine.model;
      const { layers } = lab;
      const tokens = lab.tokens(30, 3);
      const all = [...numbers(0, layers)];
      const { sequence } = await lab.prefill(tokens.slice(0, 20));
      const apart = await sequence.probe(tokens.slice(20), { layers: all, perLayer: true });
      equal(apart.byEntry.length, layers * 30, 'numbers by layer and entry');
      const summed = new Float32Array(30);
      for (const layer of all) {
        const row = apart.byEntry.subarray(layer * 30, (layer + 1) * 30);
        near(sum(row), heads * 10, lab.tolerance.attention, `mass of layer ${layer}`);
        row.forEach((mass, entry) => {
          summed[entry] = (summed[entry] as number) + mass;
        });
      }
      const together = await sequence.probe(tokens.slice(20), { layers: all });
      sameMass(together.byEntry, summed, lab.tolerance.attention, 'sum over layers');
      near(sum(together.byEntry), heads * 10 * layers, lab.tolerance.attention, 'mass');
    },
  },
  {
    name: 'mass by span adds up to mass by entry',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(24, 4));
      const spans = [span(0, 8), span(8, 24), span(24, 30), span(3, 3), span(0, 30)];
      for (const perLayer of [false, true]) {
        const layers = perLayer ? [0, lab.layers - 1].slice(-Math.min(2, lab.layers)) : [0];
        const { byEntry, bySpan } = await sequence.probe(lab.tokens(6, 5), {
          layers,
          perLayer,
          spans,
        });
        const masses = defined(bySpan, 'by span');
        const parts = perLayer ? layers.length : 1;
        equal(masses.length, parts * 6 * spans.length, 'numbers by row and span');
        for (let part = 0; part < parts; part++) {
          const at = part * 6 * spans.length;
          spans.forEach(({ start, end }, place) => {
            let mass = 0;
            for (let row = 0; row < 6; row++) {
              mass += masses[at + row * spans.length + place] as number;
            }
            const entries = byEntry.subarray(part * 30 + start, part * 30 + end);
            near(mass, sum(entries), lab.tolerance.attention, `span [${start}, ${end})`);
          });
          for (let row = 0; row < 6; row++) {
            const whole = masses[at + row * spans.length + 4] as number;
            const { heads } = lab.engine.model;
            near(whole, heads, lab.tolerance.attention, `mass of row ${row}`);
          }
        }
      }
    },
  },
  {
    name: 'nobody looks ahead',
    run: async (lab) => {
      const { sequence } = await lab.prefill(lab.tokens(20, 6));
      const { attention } = await sequence.refresh(Int32Array.of(3, 8), {
        attention: { layers: [0], groups: [0], spans: [span(0, 4), span(4, 9), span(9, 20)] },
      });
      const asked = defined(attention?.[0], 'attention');
      equal(asked.group, 0, 'group');
      ok(sum(asked.byEntry.slice(9)) < 1e-6, 'mass on entries after the last row');
      const bySpan = defined(asked.bySpan, 'by span');
      const { heads } = lab.engine.model;
      near(bySpan[0] as number, heads, lab.tolerance.attention, 'first row on what is before it');
      ok((bySpan[1] as number) < 1e-6, 'mass of the first row on what is after it');
      ok((bySpan[4] as number) > 0, 'mass of the second row on what is between');
    },
  },
  {
    name: 'groups ask apart, append groups unless told otherwise',
    run: async (lab) => {
      const { sequence: a } = await lab.prefill(lab.tokens(12, 7));
      const { sequence: b } = await lab.prefill(lab.tokens(20, 8));
      const groups = [
        { kind: 'append', sequence: a, tokens: lab.tokens(3, 9) },
        { kind: 'refresh', sequence: b, entries: Int32Array.of(4) },
        { kind: 'append', sequence: b, tokens: lab.tokens(2, 10) },
      ] as const;
      const alone = await b.probe(groups[2].tokens, { layers: [0] });
      const first = await lab.arena.forward(groups, { attention: { layers: [0] } });
      const asked = defined(first.attention, 'attention');
      sameNumbers(
        asked.map(({ group }) => group),
        [0, 2],
        'asking groups',
      );
      sameNumbers(
        asked.map(({ byEntry }) => byEntry.length),
        [15, 22],
        'entries of their sequences',
      );
      sameMass(
        (asked[1] as (typeof asked)[number]).byEntry,
        alone.byEntry,
        lab.tolerance.attention,
        'the group alone',
      );
      const second = await b.append(lab.tokens(1, 11), { attention: { groups: [] } });
      equal(defined(second.attention, 'attention').length, 0, 'groups, when none is to ask');
    },
  },
];

function sum(values: Float32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function near(actual: number, expected: number, tolerance: number, what: string): void {
  const difference = Math.abs(actual - expected);
  ok(
    difference <= tolerance * Math.max(1, Math.abs(expected)),
    `${what}: ${actual} instead of ${expected}`,
  );
}

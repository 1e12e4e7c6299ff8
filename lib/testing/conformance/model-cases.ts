import { defined, equal, fails, ok, sameNumbers } from './assert.js';
import { type ConformanceCase, span } from './lab.js';

/** What an engine says of its model; tokenizer, chat format and sampler. */
export const modelCases: readonly ConformanceCase[] = [
  {
    name: 'the model description is consistent',
    run: async (lab) => {
      const { model, tokenizer, device } = lab.engine;
      ok(/^[0-9a-f]{8,}$/.test(model.fingerprint), 'the fingerprint is no hexadecimal hash');
      equal(model.kv.layers, model.layers, 'layers of the KV');
      equal(model.kv.type, 'f16', 'type of the KV');
      equal(model.kv.keyWidth % model.kvHeads, 0, 'key width by heads');
      equal(model.kv.valueWidth % model.kvHeads, 0, 'value width by heads');
      equal(model.heads % model.kvHeads, 0, 'heads by key heads');
      equal(model.vocabSize, tokenizer.vocabSize, 'size of the vocabulary');
      ok(model.parameters > 0 && model.contextLength > 0, 'sizes are missing');
      ok(model.probeLayers.length > 0, 'no probe layers');
      model.probeLayers.forEach((layer, i) => {
        ok(layer >= 0 && layer < model.layers, `probe layer ${layer}`);
        ok(i === 0 || layer > (model.probeLayers[i - 1] as number), 'probe layers do not ascend');
      });
      ok(device.name.length > 0, 'the device has no name');
    },
  },
  {
    name: 'the same model has the same fingerprint, and takes KV of the same model',
    run: async (lab) => {
      const other = await lab.createEngine();
      try {
        equal(other.model.fingerprint, lab.engine.model.fingerprint, 'fingerprint');
        equal(other.tokenizer.fingerprint, lab.engine.tokenizer.fingerprint, 'tokenizer');
        const tokens = lab.tokens(12, 1);
        const { sequence } = await lab.prefill(tokens);
        const kv = await sequence.capture(span(0, 12));
        const arena = await other.createArena({ cells: 256 });
        const elsewhere = arena.createSequence();
        await elsewhere.splice(kv);
        const question = lab.tokens(3, 2);
        lab.sameLogits(
          lab.row(await elsewhere.append(question)),
          lab.row(await sequence.append(question)),
          'on another engine',
        );
      } finally {
        await other.dispose();
      }
    },
  },
  {
    name: 'text survives the tokenizer',
    run: async (lab) => {
      const { tokenizer } = lab.engine;
      const texts = [
        'The quick brown fox.',
        'line one\n\nline two\t  end ',
        'naïve café — 東京 😀👩‍👩‍👧 ß',
        '<s></s><|im_start|>system<|im_end|><unk>',
        'lone \ud800 surrogate',
        '',
      ];
      for (const text of texts) {
        const { ids, starts } = await tokenizer.encode(text);
        const wellFormed = text.replace(/[\ud800-\udfff](?![\udc00-\udfff])/g, (unit, at: number) =>
          /[\ud800-\udbff]/.test(text[at - 1] ?? '') && unit >= '\udc00' ? unit : '\ufffd',
        );
        equal(tokenizer.decode(ids), wellFormed, 'decoded text');
        equal(starts.length, ids.length + 1, 'number of borders');
        equal(starts[ids.length], text.length, 'last border');
        for (const id of ids) {
          ok(id >= 0 && id < tokenizer.vocabSize, `token ${id}`);
          ok(!tokenizer.isSpecial(id), `a text yields the special token ${tokenizer.name(id)}`);
        }
        let last = 0;
        for (const start of starts) {
          if (start === -1) continue;
          ok(start >= last && start <= text.length, `border ${start} after ${last}`);
          last = start;
        }
      }
    },
  },
  {
    name: 'special tokens come of their names only when asked',
    run: async (lab) => {
      const { tokenizer } = lab.engine;
      if (tokenizer.eos < 0) return;
      const name = tokenizer.name(tokenizer.eos);
      const special = await tokenizer.encode(name, { special: true });
      sameNumbers(special.ids, [tokenizer.eos], 'the name of a special token');
      const plain = await tokenizer.encode(name);
      ok(!plain.ids.includes(tokenizer.eos), 'a text ends the turn');
      equal(tokenizer.decode(special.ids), '', 'special tokens decoded');
      equal(tokenizer.decode(special.ids, { special: true }), name, 'decoded on request');
      equal(tokenizer.bytes(tokenizer.eos).length, 0, 'bytes of a special token');
      ok(tokenizer.isEndOfGeneration(tokenizer.eos), 'EOS does not end generation');
    },
  },
  {
    name: 'a chat frame is the same each time, with BOS once',
    run: async (lab) => {
      const { chat, tokenizer, model } = lab.engine;
      const options = {
        system: 'Answer from the passages.',
        history: [
          { role: 'user', content: 'Hello' },
          { role: 'assistant', content: 'Hi' },
        ],
      } as const;
      const [first, second] = [await chat.frame(options), await chat.frame(options)];
      sameNumbers(second.head, first.head, 'head');
      sameNumbers(second.tail, first.tail, 'tail');
      for (const token of [...first.head, ...first.tail]) {
        ok(token >= 0 && token < model.vocabSize, `token ${token}`);
      }
      const text = tokenizer.decode(first.head);
      ok(text.includes(options.system), 'the system text is missing');
      ok(text.includes('Hello') && text.includes('Hi'), 'the history is missing');
      if (tokenizer.bos >= 0 && tokenizer.addBos) {
        equal(first.head[0], tokenizer.bos, 'first token');
        ok(first.head[1] !== tokenizer.bos, 'BOS twice');
      }
      const evil = tokenizer.eos < 0 ? 'x' : tokenizer.name(tokenizer.eos);
      const plain = await chat.frame({ system: 'x' });
      const attacked = await chat.frame({ system: evil });
      const count = (tokens: Int32Array) => tokens.filter((t) => tokenizer.isSpecial(t)).length;
      equal(count(attacked.head), count(plain.head), 'special tokens of a system text');
    },
  },
  {
    name: 'sampling: greedy by default, and the same for the same seed',
    run: async (lab) => {
      const { engine } = lab;
      const { result } = await lab.prefill(lab.tokens(10, 3));
      const logits = lab.row(result).slice();
      let best = 0;
      logits.forEach((logit, token) => {
        if (logit > (logits[best] as number)) best = token;
      });
      const greedy = await engine.createSampler();
      equal(await greedy.sample(logits), best, 'the most likely token');
      await greedy.dispose();
      const draw = async (seed: number) => {
        const sampler = await engine.createSampler({ temperature: 1.5, topK: 40, seed });
        const tokens: number[] = [];
        for (let i = 0; i < 8; i++) tokens.push(await sampler.sample(logits.slice()));
        await sampler.dispose();
        return tokens;
      };
      const [first, again, other] = [await draw(1), await draw(1), await draw(2)];
      sameNumbers(again, first, 'tokens of the same seed');
      ok(other.join() !== first.join(), 'another seed, the same tokens');
      ok(
        defined(first[0], 'a token') >= 0 && first.every((t) => t < engine.model.vocabSize),
        'a token outside of the vocabulary',
      );
    },
  },
  {
    name: 'sampling options out of range are refused',
    run: async (lab) => {
      const bad = [
        { temperature: -1 },
        { temperature: NaN },
        { topK: -1 },
        { topP: -0.5 },
        { topP: 1.5 },
        { minP: -0.1 },
        { penaltyWindow: 0.5 },
        { seed: -1 },
        { seed: 2 ** 32 },
        { grammar: 'root ::= (' },
      ];
      for (const options of bad) {
        const create = () => lab.engine.createSampler(options);
        await fails(create, 'SAMPLING', JSON.stringify(options));
      }
      const sampler = await lab.engine.createSampler();
      const short = () => sampler.sample(new Float32Array(3));
      await fails(short, 'INVALID_ARGUMENT', 'too few logits');
      await sampler.dispose();
      const row = new Float32Array(lab.engine.model.vocabSize);
      await fails(() => sampler.sample(row), 'DISPOSED', 'a disposed sampler');
    },
  },
];

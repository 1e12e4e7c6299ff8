// An experiment: how long should passages be, and how many of them should a prompt have?
//
//     npm run build && node examples/experiment.mjs    with a fake engine: what is found counts, not what is said or how fast
//     node examples/experiment.mjs --model smollm2-135m-instruct    with a model
//     --out DIR    where tables, the page and the log go; default experiment-report
//     --limit N    so many questions; default all 12
//
// Stop it with Ctrl-C and start it again: it goes on with the cells that are missing.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createWeave, recursiveChunker } from 'chunkweave';
import {
  cellsTable,
  coveredLength,
  defineExperiment,
  experimentPage,
  experimentTable,
  importQuestions,
  sharedLength,
} from 'chunkweave/evaluate';
import { fileLog, loadAllDocuments } from 'chunkweave/fs';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    out: { type: 'string', default: 'experiment-report' },
    limit: { type: 'string', default: '12' },
  },
});

const engine = values.model
  ? await (await import('chunkweave/ggml')).loadEngine({ model: values.model })
  : new (await import('chunkweave/testing')).FakeEngine();
const folder = new URL('.', import.meta.url);
const { documents } = await loadAllDocuments(new URL('documents', folder).pathname);
const questions = await importQuestions(await readFile(new URL('questions.json', folder), 'utf8'), {
  corpora: documents,
});

const experiment = defineExperiment({
  name: 'Passages of a prompt',
  grid: { maxTokens: [60, 120, 250], topK: [2, 4, 8] },
  data: questions.slice(0, Number(values.limit)),
  about: { model: engine.model.fingerprint },
  async prepare({ maxTokens }) {
    const weave = await createWeave({ engine, chunker: recursiveChunker({ maxTokens }) });
    await weave.ingest(documents, { budget: { milliseconds: 0 } });
    return weave;
  },
  release: (weave) => weave.dispose(),
  run: ({ setting, item, prepared, signal }) =>
    prepared.ask(item.question, { topK: setting.topK, maxTokens: 1, signal }),
  metrics: {
    // Share of the references that is in the passages.
    recall({ sources }, { gold }) {
      const found = sources.filter(({ documentId }) => documentId === gold.documentId);
      return sharedLength(gold.spans, found) / coveredLength(gold.spans);
    },
    tokens: { better: 'less', of: ({ usage }) => usage.prompt },
    'first token, ms': { better: 'less', of: ({ timings }) => timings.firstToken },
  },
});

const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
try {
  const outcome = await experiment.run({
    log: fileLog(join(values.out, `log-${engine.model.fingerprint.slice(0, 12)}.jsonl`)),
    signal: stop.signal,
    onProgress({ done, total, resumed, leftMs }) {
      if (done !== total && done % 20 !== 0) return;
      const left = leftMs === undefined ? '' : `, ${Math.ceil(leftMs / 1000)} s left`;
      console.error(`${done} of ${total} cells, ${resumed} of them from the log${left}`);
    },
  });
  await mkdir(values.out, { recursive: true });
  await writeFile(join(values.out, 'settings.csv'), experimentTable(outcome, 'csv'));
  await writeFile(join(values.out, 'cells.csv'), cellsTable(outcome));
  await writeFile(join(values.out, 'settings.md'), experimentTable(outcome, 'markdown'));
  await writeFile(join(values.out, 'report.html'), experimentPage(outcome));
  console.log(experimentTable(outcome));
  for (const { setting, difference, p, verdict } of outcome.compare('recall')) {
    if (verdict === 'open') continue;
    const { maxTokens, topK } = setting;
    console.log(
      `${topK} passages of ${maxTokens} tokens: recall ${verdict} by ${difference.value.toFixed(2)}, p ${p.toFixed(3)}`,
    );
  }
  console.log(`\nThe report: ${join(values.out, 'report.html')}`);
} catch (error) {
  if (!stop.signal.aborted) throw error;
  console.error('Stopped; the log has what was done.');
  process.exitCode = 130;
} finally {
  await engine.dispose();
}

import type { KvEngine } from '../../lib/engine/engine.js';
import type { Weave } from '../../lib/weave.js';
import { linkSignals } from '../../lib/weave/link-signals.js';
import { contractVersion, type LanguageModelContract, type ModelCall } from './contract.js';
import { assertForEngine, engineGeneration } from './engine-generation.js';
import type { Generation } from './generation.js';
import { collectParts, streamOf, streamParts } from './output.js';
import { type ModelRequest, readRequest } from './request.js';
import { warnForWeave, weaveGeneration } from './weave-generation.js';

export const providerName = 'chunkweave';

interface ModelBehind {
  readonly modelId: string;
  read(call: ModelCall): ModelRequest;
  start(request: ModelRequest, signal: AbortSignal): Generation;
}

/**
 * An AI SDK model that answers by an engine: conversations, tools and JSON by grammar. The whole prompt is computed for each
 * call. The engine stays the caller's.
 */
export function engineModel(engine: KvEngine, modelId = engine.model.name): LanguageModelContract {
  return languageModel({
    modelId,
    read(call) {
      const request = readRequest(call, { takesTools: true });
      assertForEngine(request);
      for (const message of engine.chat.notes) request.warnings.push({ type: 'other', message });
      return request;
    },
    start: (request, signal) => engineGeneration(engine, request, signal),
  });
}

/**
 * An AI SDK model that answers by a weave: passages for the last message are retrieved and woven from cached KV, and come as
 * sources of the answer. The weave stays the caller's.
 */
export function weaveModel(weave: Weave, modelId = weave.model.name): LanguageModelContract {
  return languageModel({
    modelId,
    read(call) {
      const request = readRequest(call, { takesTools: false });
      warnForWeave(request);
      return request;
    },
    start: (request, signal) => weaveGeneration(weave, request, signal),
  });
}

function languageModel({ modelId, read, start }: ModelBehind): LanguageModelContract {
  return {
    specificationVersion: contractVersion,
    provider: providerName,
    modelId,
    supportedUrls: {},
    async doGenerate(call) {
      call.abortSignal?.throwIfAborted();
      const request = read(call);
      const { warnings, callsTools } = request;
      const leave = new AbortController();
      const { signal, unlink } = linkSignals([request.signal, leave.signal]);
      try {
        return await collectParts(start(request, signal), { modelId, callsTools, warnings });
      } finally {
        unlink();
      }
    },
    async doStream(call) {
      call.abortSignal?.throwIfAborted();
      const request = read(call);
      const { warnings, callsTools } = request;
      const leave = new AbortController();
      const { signal, unlink } = linkSignals([request.signal, leave.signal]);
      const parts = streamParts(start(request, signal), { modelId, callsTools, warnings });
      return { stream: streamOf(parts, { warnings, leave, signal, onEnd: unlink }) };
    },
  };
}

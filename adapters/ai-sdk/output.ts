import { randomUUID } from 'node:crypto';
import { readToolCall } from '../../lib/grammar/tool-call-grammar.js';
import type { Content, FinishReason, GenerateResult, StreamPart, Warning } from './contract.js';
import type { Generation } from './generation.js';

export interface OutputOptions {
  readonly modelId: string;
  /** The answer may be a tool call. */
  readonly callsTools: boolean;
  readonly warnings: readonly Warning[];
}

type EndPart = Extract<StreamPart, { type: 'finish' }>;

/** The parts of a streamed answer, after `stream-start`. */
export async function* streamParts(
  generation: Generation,
  { modelId, callsTools }: OutputOptions,
): AsyncGenerator<StreamPart, void, undefined> {
  yield { type: 'response-metadata', id: randomUUID(), timestamp: new Date(), modelId };
  const id = '0';
  let isOpen = false;
  /** All of what may be a tool call. */
  let call = '';
  for await (const event of generation) {
    if (event.type === 'sources') {
      yield* event.sources;
    } else if (event.type === 'delta') {
      // By its first character it is a call, and nothing of it is text.
      if (callsTools && (call !== '' || (!isOpen && event.text.startsWith('{')))) {
        call += event.text;
        continue;
      }
      if (!isOpen) yield { type: 'text-start', id };
      isOpen = true;
      yield { type: 'text-delta', id, delta: event.text };
    } else {
      if (isOpen) yield { type: 'text-end', id };
      let { finishReason } = event;
      if (call !== '') {
        yield* callParts(call, id);
        finishReason = reasonOfCall(call, finishReason);
      }
      const { usage, metadata } = event;
      const providerMetadata =
        Object.keys(metadata).length > 0 ? { providerMetadata: metadata } : {};
      yield { type: 'finish', usage, finishReason, ...providerMetadata };
    }
  }
}

function* callParts(written: string, id: string): Generator<StreamPart> {
  const call = readToolCall(written);
  if (!call) {
    // Cut short by the limit of tokens: what there is is no call, but it is not lost.
    yield { type: 'text-start', id };
    yield { type: 'text-delta', id, delta: written };
    yield { type: 'text-end', id };
    return;
  }
  const toolCallId = randomUUID();
  yield { type: 'tool-input-start', id: toolCallId, toolName: call.tool };
  yield { type: 'tool-input-delta', id: toolCallId, delta: call.input };
  yield { type: 'tool-input-end', id: toolCallId };
  yield { type: 'tool-call', toolCallId, toolName: call.tool, input: call.input };
}

function reasonOfCall(written: string, reason: FinishReason): FinishReason {
  return readToolCall(written) ? { unified: 'tool-calls', raw: reason.raw } : reason;
}

/** The whole answer at once. */
export async function collectParts(
  generation: Generation,
  options: OutputOptions,
): Promise<GenerateResult> {
  const content: Content[] = [];
  const response: { id?: string; timestamp?: Date; modelId?: string } = {};
  let text: string | undefined;
  let end: EndPart | undefined;
  for await (const part of streamParts(generation, options)) {
    if (part.type === 'response-metadata') {
      const { type: _, ...metadata } = part;
      Object.assign(response, metadata);
    } else if (part.type === 'source' || part.type === 'tool-call') content.push(part);
    else if (part.type === 'text-delta') text = (text ?? '') + part.delta;
    else if (part.type === 'finish') end = part;
  }
  if (text !== undefined) content.push({ type: 'text', text });
  const { usage, finishReason, providerMetadata } = end as EndPart;
  return {
    content,
    usage,
    finishReason,
    ...(providerMetadata && { providerMetadata }),
    response,
    warnings: [...options.warnings],
  };
}

/**
 * Parts as a stream that is read at the consumer's pace. A consumer that leaves aborts the answer; a failure is a part of its
 * own, followed by the end, unless it is the abort that was asked for.
 */
export function streamOf(
  parts: AsyncGenerator<StreamPart, void, undefined>,
  {
    warnings,
    leave,
    signal,
    onEnd,
  }: {
    readonly warnings: readonly Warning[];
    readonly leave: AbortController;
    /** Aborts with `leave`, and with what the caller gave. */
    readonly signal: AbortSignal;
    readonly onEnd: () => void;
  },
): ReadableStream<StreamPart> {
  return new ReadableStream<StreamPart>({
    start(controller) {
      controller.enqueue({ type: 'stream-start', warnings: [...warnings] });
    },
    async pull(controller) {
      try {
        const { done, value } = await parts.next();
        if (!done) return controller.enqueue(value);
        controller.close();
        onEnd();
      } catch (error) {
        onEnd();
        if (signal.aborted) {
          controller.error(error);
          return;
        }
        controller.enqueue({ type: 'error', error });
        controller.enqueue(failedEnd);
        controller.close();
      }
    },
    async cancel(reason) {
      leave.abort(reason ?? new DOMException('The stream was cancelled.', 'AbortError'));
      await parts.return().catch(() => {});
      onEnd();
    },
  });
}

const failedEnd: EndPart = {
  type: 'finish',
  finishReason: { unified: 'error', raw: undefined },
  usage: {
    inputTokens: {
      total: undefined,
      noCache: undefined,
      cacheRead: undefined,
      cacheWrite: undefined,
    },
    outputTokens: { total: undefined, text: undefined, reasoning: undefined },
  },
};

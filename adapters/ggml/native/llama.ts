import { NativeLibraryError } from '../../../lib/errors.js';
import type { AsyncCapable } from './ggml.js';
import type { Koffi } from './koffi.js';
import { BINARY_VERSION, type BinarySet } from './library.js';
import type {
  AnyPtr,
  LlamaContextPtr,
  ModelPtr,
  Pointer,
  SamplerPtr,
  ThreadpoolPtr,
  VocabPtr,
} from './pointer.js';

export type MemoryPtr = Pointer<'llama_memory'>;

/** `enum llama_token_attr`: bits. */
export const TokenAttr = {
  Unknown: 1,
  Unused: 2,
  Normal: 4,
  Control: 8,
  UserDefined: 16,
  Byte: 32,
  /** White space before the token belongs to it. */
  StripsLeft: 128,
  /** White space after the token belongs to it. */
  StripsRight: 256,
} as const;

/** What `llama_decode` returns. */
export const DecodeStatus = { Success: 0, NoSlot: 1, Aborted: 2, InvalidBatch: -1 } as const;

/** `enum llama_flash_attn_type`. */
export const FlashAttention = { Auto: -1, Off: 0, On: 1 } as const;

/** `enum llama_pooling_type`: one vector for each token, or the members that make one of a sequence. */
export const Pooling = { None: 0, Mean: 1, Cls: 2 } as const;

/** A list of no devices, which keeps a model off all GPUs. It lives as long as any call that uses it. */
export const NO_DEVICES = new BigUint64Array(1);

/** Fields of `llama_model_params`; the ones that are not set keep the library's defaults. */
export interface ModelParams {
  /** Null-terminated array of device addresses; null for all devices. */
  readonly devices: BigUint64Array | null;
  readonly n_gpu_layers: number;
  /** 0 reads the file; 1 maps it, which ends the process when the file is truncated meanwhile. */
  readonly load_mode: number;
  readonly vocab_only: boolean;
  readonly use_extra_bufts: boolean;
}

/** Fields of `llama_context_params`; the ones that are not set keep the library's defaults. */
export interface ContextParams {
  readonly n_ctx: number;
  readonly n_batch: number;
  readonly n_ubatch: number;
  readonly n_outputs_max: number;
  readonly n_outputs_max_per_seq: number;
  readonly n_threads: number;
  readonly n_threads_batch: number;
  readonly flash_attn_type: number;
  readonly type_k: number;
  readonly type_v: number;
  readonly abort_callback: AnyPtr | null;
  readonly abort_callback_data: AnyPtr | null;
  readonly offload_kqv: boolean;
  readonly op_offload: boolean;
  readonly swa_full: boolean;
  /** Sequences of a batch, at most 256. */
  readonly n_seq_max: number;
  readonly pooling_type: number;
  readonly embeddings: boolean;
  readonly kv_unified: boolean;
}

/** `llama_batch`; arrays have `n_tokens` entries and must live until the call is done. */
export interface Batch {
  readonly n_tokens: number;
  readonly token: Int32Array;
  readonly embd: null;
  /** Null continues after the last position of sequence 0. */
  readonly pos: Int32Array | null;
  /** How many sequences each token is of; null for one. */
  readonly n_seq_id: Int32Array | null;
  /** Address of each token's list of sequences; null for sequence 0. */
  readonly seq_id: BigUint64Array | null;
  /** 1 where logits are wanted; null for the last token only. */
  readonly logits: Int8Array | null;
}

type Bytes = ArrayBufferView;

/**
 * The functions of libllama that the engine calls, typed. One instance a process. Ids, positions and sizes
 * must be checked before: the library ends the process on most that are out of range.
 */
export interface Llama {
  version(): string;
  logSet(callback: AnyPtr | null, data: AnyPtr | null): void;
  backendInit(): void;
  /** @throws NativeLibraryError when the structs of the library are not the ones of these bindings. */
  guardAbi(binaries: BinarySet): void;

  modelParams(changes: Partial<ModelParams>): NativeStruct;
  contextParams(changes: Partial<ContextParams>): NativeStruct;
  modelLoad: AsyncCapable<[path: string, params: NativeStruct], ModelPtr | null>;
  modelFree: AsyncCapable<[model: ModelPtr], void>;
  modelVocab(model: ModelPtr): VocabPtr;
  modelLayers(model: ModelPtr): number;
  modelTrainContext(model: ModelPtr): number;
  /** The template in the file, the default one when `name` is null. */
  chatTemplate(model: ModelPtr, name: string | null): string | null;

  vocabType(vocab: VocabPtr): number;
  vocabSize(vocab: VocabPtr): number;
  /** The token's own spelling: byte-level letters in BPE, `▁` for spaces in SPM. */
  tokenText(vocab: VocabPtr, token: number): string;
  tokenScore(vocab: VocabPtr, token: number): number;
  tokenAttr(vocab: VocabPtr, token: number): number;
  isEndOfGeneration(vocab: VocabPtr, token: number): boolean;
  isControl(vocab: VocabPtr, token: number): boolean;
  bos(vocab: VocabPtr): number;
  eos(vocab: VocabPtr): number;
  eot(vocab: VocabPtr): number;
  /** The token between sentences, which ends a text of BERT. */
  sep(vocab: VocabPtr): number;
  addBos(vocab: VocabPtr): boolean;
  addEos(vocab: VocabPtr): boolean;
  /** Returns the number of tokens; if negative, the number that `tokens` has no room for. */
  tokenize: AsyncCapable<
    [
      vocab: VocabPtr,
      text: Bytes,
      textBytes: number,
      tokens: Int32Array,
      room: number,
      addSpecial: boolean,
      parseSpecial: boolean,
    ],
    number
  >;
  tokenToPiece(
    vocab: VocabPtr,
    token: number,
    target: Bytes,
    room: number,
    skipSpaces: number,
    special: boolean,
  ): number;
  detokenize: AsyncCapable<
    [
      vocab: VocabPtr,
      tokens: Int32Array,
      count: number,
      target: Bytes,
      room: number,
      removeSpecial: boolean,
      unparseSpecial: boolean,
    ],
    number
  >;

  contextNew: AsyncCapable<[model: ModelPtr, params: NativeStruct], LlamaContextPtr | null>;
  contextFree(context: LlamaContextPtr): void;
  contextSize(context: LlamaContextPtr): number;
  memory(context: LlamaContextPtr): MemoryPtr;
  memoryClear(memory: MemoryPtr, data: boolean): void;
  memorySeqRemove(memory: MemoryPtr, sequence: number, from: number, to: number): boolean;
  memorySeqMax(memory: MemoryPtr, sequence: number): number;
  decode: AsyncCapable<[context: LlamaContextPtr, batch: Batch], number>;
  /** Runs a whole batch in one graph: the library ends the process for more tokens than `n_ubatch`. */
  encode: AsyncCapable<[context: LlamaContextPtr, batch: Batch], number>;
  /** Waits for what runs on a device. */
  synchronize: AsyncCapable<[context: LlamaContextPtr], void>;
  /** Address of the pooled vector of a sequence of the last batch; null for one that was not in it. */
  embeddingOf(context: LlamaContextPtr, sequence: number): AnyPtr | null;
  /** Address of the vector of a token of the last batch, where none are pooled; null for a token that was not in it. */
  tokenEmbeddingOf(context: LlamaContextPtr, index: number): AnyPtr | null;
  /** Address of one row of logits; null for a row that was not asked for. */
  logitsAt(context: LlamaContextPtr, index: number): AnyPtr | null;
  setThreads(context: LlamaContextPtr, single: number, batch: number): void;
  attachThreadpool(context: LlamaContextPtr, single: ThreadpoolPtr, batch: ThreadpoolPtr): void;
  detachThreadpool(context: LlamaContextPtr): void;

  samplerChain(): SamplerPtr;
  /** Hands `sampler` over to the chain, which frees it. */
  samplerChainAdd(chain: SamplerPtr, sampler: SamplerPtr): void;
  samplerGreedy(): SamplerPtr;
  /** Seed 2^32 - 1 means a random one. */
  samplerDist(seed: number): SamplerPtr;
  samplerTopK(k: number): SamplerPtr;
  samplerTopP(p: number, keep: number): SamplerPtr;
  samplerMinP(p: number, keep: number): SamplerPtr;
  samplerTemperature(temperature: number): SamplerPtr;
  samplerPenalties(
    vocabSize: number,
    window: number,
    repeat: number,
    frequency: number,
    presence: number,
  ): SamplerPtr;
  /** Null for a grammar that does not parse. The vocabulary must outlive the sampler. */
  samplerGrammar: AsyncCapable<[VocabPtr, grammar: string, root: string], SamplerPtr | null>;
  /** `array` is a `llama_token_data_array`. */
  samplerApply: AsyncCapable<[SamplerPtr, array: Bytes], void>;
  samplerAccept: AsyncCapable<[SamplerPtr, token: number], void>;
  samplerReset(sampler: SamplerPtr): void;
  samplerClone(sampler: SamplerPtr): SamplerPtr | null;
  samplerFree(sampler: SamplerPtr): void;

  /** Copies `count` floats from native memory into `target`. */
  readFloats(from: AnyPtr, target: Float32Array): void;
  /** Native memory with the numbers from 0 on, for {@link Batch.seq_id}: addresses of each, until they are freed. */
  sequenceIds(count: number): { readonly addresses: BigUint64Array; free(): void };
}

/** A struct that is passed by value. */
export type NativeStruct = Readonly<Record<string, unknown>>;

const PTR = 'void *';
/** Room behind the structs of the guard: a library with larger ones writes there, not into the heap. */
const GUARD_ROOM = 256;

/** What the default parameters are in the release that the bindings were written for. */
const knownModel: NativeStruct = {
  devices: null,
  tensor_buft_overrides: null,
  n_gpu_layers: -1,
  split_mode: 1,
  load_mode: -1,
  lazy_mode: 1,
  main_gpu: 0,
  tensor_split: null,
  progress_callback: null,
  kv_overrides: null,
  vocab_only: false,
  check_tensors: false,
  use_extra_bufts: true,
  no_host: false,
  no_alloc: false,
  load_mtp: false,
};
const knownContext: NativeStruct = {
  n_ctx: 512,
  n_batch: 2048,
  n_ubatch: 512,
  n_seq_max: 1,
  n_rs_seq: 0,
  n_outputs_max: 0,
  n_outputs_max_per_seq: 1,
  ctx_type: 0,
  rope_scaling_type: -1,
  pooling_type: -1,
  attention_type: -1,
  flash_attn_type: -1,
  yarn_ext_factor: -1,
  yarn_attn_factor: -1,
  yarn_beta_fast: -1,
  yarn_beta_slow: -1,
  yarn_orig_ctx: 0,
  defrag_thold: -1,
  cb_eval: null,
  type_k: 1,
  type_v: 1,
  abort_callback: null,
  embeddings: false,
  offload_kqv: true,
  no_perf: true,
  op_offload: true,
  swa_full: true,
  kv_unified: false,
  samplers: null,
  n_samplers: 0,
  ctx_other: null,
};

const modelFields = {
  devices: PTR,
  tensor_buft_overrides: PTR,
  n_gpu_layers: 'int32_t',
  split_mode: 'int',
  load_mode: 'int',
  lazy_mode: 'int',
  main_gpu: 'int32_t',
  tensor_split: PTR,
  progress_callback: PTR,
  progress_callback_user_data: PTR,
  kv_overrides: PTR,
  vocab_only: 'bool',
  check_tensors: 'bool',
  use_extra_bufts: 'bool',
  no_host: 'bool',
  no_alloc: 'bool',
  load_mtp: 'bool',
};
const contextFields = {
  n_ctx: 'uint32_t',
  n_batch: 'uint32_t',
  n_ubatch: 'uint32_t',
  n_seq_max: 'uint32_t',
  n_rs_seq: 'uint32_t',
  n_outputs_max: 'uint32_t',
  n_outputs_max_per_seq: 'uint32_t',
  n_threads: 'int32_t',
  n_threads_batch: 'int32_t',
  ctx_type: 'int',
  rope_scaling_type: 'int',
  pooling_type: 'int',
  attention_type: 'int',
  flash_attn_type: 'int',
  rope_freq_base: 'float',
  rope_freq_scale: 'float',
  yarn_ext_factor: 'float',
  yarn_attn_factor: 'float',
  yarn_beta_fast: 'float',
  yarn_beta_slow: 'float',
  yarn_orig_ctx: 'uint32_t',
  defrag_thold: 'float',
  cb_eval: PTR,
  cb_eval_user_data: PTR,
  type_k: 'int',
  type_v: 'int',
  abort_callback: PTR,
  abort_callback_data: PTR,
  embeddings: 'bool',
  offload_kqv: 'bool',
  no_perf: 'bool',
  op_offload: 'bool',
  swa_full: 'bool',
  kv_unified: 'bool',
  samplers: PTR,
  n_samplers: 'size_t',
  ctx_other: PTR,
};
const MODEL_PARAMS_BYTES = 80;
const CONTEXT_PARAMS_BYTES = 160;

/** Binds libllama. The library must be loaded already, with its symbols global. */
export function bindLlama(koffi: Koffi, set: BinarySet): Llama {
  const library = koffi.load(set.llama, { global: true });
  const fn = <F>(name: string, result: Type, args: Type[]): F =>
    library.func(name, result as string, args as string[]) as unknown as F;
  // Anonymous structs: named ones clash when two copies of the bindings live in one process.
  const modelParams = koffi.struct(modelFields);
  const contextParams = koffi.struct(contextFields);
  const batch = koffi.struct({
    n_tokens: 'int32_t',
    token: PTR,
    embd: PTR,
    pos: PTR,
    n_seq_id: PTR,
    seq_id: PTR,
    logits: PTR,
  });
  const chainParams = koffi.struct({ no_perf: 'bool' });
  const chainInit = fn<(params: { no_perf: boolean }) => SamplerPtr>(
    'llama_sampler_chain_init',
    PTR,
    [chainParams],
  );
  const defaultModel = fn<() => NativeStruct>('llama_model_default_params', modelParams, []);
  const defaultContext = fn<() => NativeStruct>('llama_context_default_params', contextParams, []);
  const i32 = 'int32_t';

  return {
    version: fn('llama_version', 'str', []),
    logSet: fn('llama_log_set', 'void', [PTR, PTR]),
    backendInit: fn('llama_backend_init', 'void', []),
    guardAbi(binaries) {
      const room = koffi.array('uint8_t', GUARD_ROOM);
      const check = (what: string, fields: typeof modelFields | typeof contextFields) => {
        const roomy = koffi.struct({ ...fields, room });
        const known = fields === modelFields ? knownModel : knownContext;
        const found = fn<() => NativeStruct>(`llama_${what}_default_params`, roomy, [])();
        for (const [name, value] of Object.entries(known)) {
          if (found[name] !== value) refuse(binaries, `${what}.${name}`, value, found[name]);
        }
      };
      const sizes = [koffi.sizeof(modelParams), koffi.sizeof(contextParams)].join();
      const expected = [MODEL_PARAMS_BYTES, CONTEXT_PARAMS_BYTES].join();
      if (sizes !== expected) refuse(binaries, 'struct sizes', expected, sizes);
      check('model', modelFields);
      check('context', contextFields);
    },
    modelParams: (changes) => ({ ...defaultModel(), ...changes }),
    contextParams: (changes) => ({ ...defaultContext(), ...changes }),
    modelLoad: fn('llama_model_load_from_file', PTR, ['str', modelParams]),
    modelFree: fn('llama_model_free', 'void', [PTR]),
    modelVocab: fn('llama_model_get_vocab', PTR, [PTR]),
    modelLayers: fn('llama_model_n_layer', i32, [PTR]),
    modelTrainContext: fn('llama_model_n_ctx_train', i32, [PTR]),
    chatTemplate: fn('llama_model_chat_template', 'str', [PTR, 'str']),
    vocabType: fn('llama_vocab_type', 'int', [PTR]),
    vocabSize: fn('llama_vocab_n_tokens', i32, [PTR]),
    tokenText: fn('llama_vocab_get_text', 'str', [PTR, i32]),
    tokenScore: fn('llama_vocab_get_score', 'float', [PTR, i32]),
    tokenAttr: fn('llama_vocab_get_attr', 'int', [PTR, i32]),
    isEndOfGeneration: fn('llama_vocab_is_eog', 'bool', [PTR, i32]),
    isControl: fn('llama_vocab_is_control', 'bool', [PTR, i32]),
    bos: fn('llama_vocab_bos', i32, [PTR]),
    eos: fn('llama_vocab_eos', i32, [PTR]),
    eot: fn('llama_vocab_eot', i32, [PTR]),
    sep: fn('llama_vocab_sep', i32, [PTR]),
    addBos: fn('llama_vocab_get_add_bos', 'bool', [PTR]),
    addEos: fn('llama_vocab_get_add_eos', 'bool', [PTR]),
    tokenize: fn('llama_tokenize', i32, [PTR, PTR, i32, PTR, i32, 'bool', 'bool']),
    tokenToPiece: fn('llama_token_to_piece', i32, [PTR, i32, PTR, i32, i32, 'bool']),
    detokenize: fn('llama_detokenize', i32, [PTR, PTR, i32, PTR, i32, 'bool', 'bool']),
    contextNew: fn('llama_init_from_model', PTR, [PTR, contextParams]),
    contextFree: fn('llama_free', 'void', [PTR]),
    contextSize: fn('llama_n_ctx', 'uint32_t', [PTR]),
    memory: fn('llama_get_memory', PTR, [PTR]),
    memoryClear: fn('llama_memory_clear', 'void', [PTR, 'bool']),
    memorySeqRemove: fn('llama_memory_seq_rm', 'bool', [PTR, i32, i32, i32]),
    memorySeqMax: fn('llama_memory_seq_pos_max', i32, [PTR, i32]),
    decode: fn('llama_decode', i32, [PTR, batch]),
    encode: fn('llama_encode', i32, [PTR, batch]),
    synchronize: fn('llama_synchronize', 'void', [PTR]),
    embeddingOf: fn('llama_get_embeddings_seq', PTR, [PTR, i32]),
    tokenEmbeddingOf: fn('llama_get_embeddings_ith', PTR, [PTR, i32]),
    logitsAt: fn('llama_get_logits_ith', PTR, [PTR, i32]),
    setThreads: fn('llama_set_n_threads', 'void', [PTR, i32, i32]),
    attachThreadpool: fn('llama_attach_threadpool', 'void', [PTR, PTR, PTR]),
    detachThreadpool: fn('llama_detach_threadpool', 'void', [PTR]),
    samplerChain: () => chainInit({ no_perf: true }),
    samplerChainAdd: fn('llama_sampler_chain_add', 'void', [PTR, PTR]),
    samplerGreedy: fn('llama_sampler_init_greedy', PTR, []),
    samplerDist: fn('llama_sampler_init_dist', PTR, ['uint32_t']),
    samplerTopK: fn('llama_sampler_init_top_k', PTR, [i32]),
    samplerTopP: fn('llama_sampler_init_top_p', PTR, ['float', 'size_t']),
    samplerMinP: fn('llama_sampler_init_min_p', PTR, ['float', 'size_t']),
    samplerTemperature: fn('llama_sampler_init_temp', PTR, ['float']),
    samplerPenalties: fn('llama_sampler_init_penalties', PTR, [i32, i32, ...floats(3)]),
    samplerGrammar: fn('llama_sampler_init_grammar', PTR, [PTR, 'str', 'str']),
    samplerApply: fn('llama_sampler_apply', 'void', [PTR, PTR]),
    samplerAccept: fn('llama_sampler_accept', 'void', [PTR, i32]),
    samplerReset: fn('llama_sampler_reset', 'void', [PTR]),
    samplerClone: fn('llama_sampler_clone', PTR, [PTR]),
    samplerFree: fn('llama_sampler_free', 'void', [PTR]),
    readFloats(from, target) {
      target.set(koffi.decode(from, 'float', target.length) as Float32Array);
    },
    sequenceIds(count) {
      const memory: unknown = koffi.alloc(i32, count);
      const numbers = Int32Array.from({ length: count }, (_, id) => id);
      koffi.encode(memory, i32, numbers, count);
      const first = koffi.address(memory);
      return {
        addresses: BigUint64Array.from(numbers, (id) => first + BigInt(4 * id)),
        free: () => koffi.free(memory),
      };
    },
  };
}

type Type = string | ReturnType<Koffi['struct']>;

const floats = (count: number): string[] => Array.from({ length: count }, () => 'float');

function refuse(binaries: BinarySet, what: string, expected: unknown, found: unknown): never {
  throw new NativeLibraryError(
    `libllama is of another release than these bindings (${what} is ${String(found)} instead of ${String(expected)}). ` +
      `Install exactly this version: npm install ${binaries.packageName}@${BINARY_VERSION}`,
  );
}

/**
 * Native pointers are BigInts that carry no type; brands keep a tensor from being passed as a buffer.
 */
declare const brand: unique symbol;
export type Pointer<Name extends string> = bigint & { readonly [brand]: Name };

export type ContextPtr = Pointer<'ggml_context'>;
export type TensorPtr = Pointer<'ggml_tensor'>;
export type GraphPtr = Pointer<'ggml_cgraph'>;
export type GallocrPtr = Pointer<'ggml_gallocr'>;
export type BackendPtr = Pointer<'ggml_backend'>;
export type DevicePtr = Pointer<'ggml_backend_dev'>;
export type RegPtr = Pointer<'ggml_backend_reg'>;
export type BufferTypePtr = Pointer<'ggml_backend_buffer_type'>;
export type BufferPtr = Pointer<'ggml_backend_buffer'>;
export type ThreadpoolPtr = Pointer<'ggml_threadpool'>;
export type ModelPtr = Pointer<'llama_model'>;
export type VocabPtr = Pointer<'llama_vocab'>;
export type LlamaContextPtr = Pointer<'llama_context'>;
export type SamplerPtr = Pointer<'llama_sampler'>;
export type AnyPtr = bigint;

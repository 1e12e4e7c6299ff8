import { type Embedder, InvalidArgumentError } from '../../lib/index.js';
import { HashingEmbedder } from '../../lib/testing/index.js';

export interface OpenEmbedder extends AsyncDisposable {
  readonly embedder: Embedder;
}

/** What the native adapter has once it runs embedding models. */
interface NativeEmbedders {
  loadEmbedder(options: { readonly model: string }): Promise<Embedder & AsyncDisposable>;
}

/**
 * `hashing` needs no model and understands nothing: it shows what the bench does. Any other name is a model.
 * @throws InvalidArgumentError where embedding models cannot be run; whatever loading one throws
 */
export async function openEmbedder(name: string): Promise<OpenEmbedder> {
  if (name === 'hashing') {
    return {
      embedder: new HashingEmbedder({ dimensions: 384 }),
      [Symbol.asyncDispose]: async () => {},
    };
  }
  const adapter: object = await import('../../adapters/ggml/index.js');
  if (!('loadEmbedder' in adapter)) {
    throw new InvalidArgumentError(`the native adapter runs no embedding models, so not "${name}"`);
  }
  const embedder = await (adapter as NativeEmbedders).loadEmbedder({ model: name });
  return { embedder, [Symbol.asyncDispose]: () => embedder[Symbol.asyncDispose]() };
}

import type { Retriever } from './retriever.js';

/** A retriever that holds what another one does, and searches in a way of its own. */
export function wrapped(retriever: Retriever, search: Retriever['search']): Retriever {
  return {
    add: (chunks, options) => retriever.add(chunks, options),
    remove: (ids) => retriever.remove(ids),
    search,
    get size() {
      return retriever.size;
    },
    ...(retriever.chunks && { chunks: () => retriever.chunks?.() ?? [] }),
  };
}

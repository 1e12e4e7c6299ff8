/** What an entry of a vector index carries beside its vector, by field. */
export type VectorMetadata = Readonly<Record<string, unknown>>;

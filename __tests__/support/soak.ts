/** Whether tests run in their long form. */
export const soak = process.env.CHUNKWEAVE_SOAK !== undefined;

const wanted = Number(process.env.CHUNKWEAVE_SOAK_DOCUMENTS ?? 100_000);

/**
 * The random documents that `chunkerConformance` has a chunker cut: `short` of them as a rule. In the long form each
 * chunker cuts 100,000, or as many as `CHUNKWEAVE_SOAK_DOCUMENTS` says, its settings each another part of them.
 *
 * @param part number of the setting, of so many
 */
export function randomDocuments(short: number, part = 0, parts = 1) {
  if (!soak) return { randomDocuments: short };
  const first = Math.round((wanted * part) / parts);
  const end = Math.round((wanted * (part + 1)) / parts);
  return { randomDocuments: Math.max(1, end - first), firstDocument: first + 1 };
}

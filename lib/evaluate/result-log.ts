/**
 * Where results are kept, a line each, so that an experiment that was ended can go on. Lines hold no line breaks. A last
 * line that was cut short may be there; whoever reads knows it by its not being JSON.
 */
export interface ResultLog {
  /** All lines, in the order in which they were appended. */
  read(): AsyncIterable<string>;
  append(line: string): Promise<void>;
}

/** A log that ends with the process. */
export function memoryLog(lines: string[] = []): ResultLog {
  return {
    async *read() {
      yield* lines;
    },
    async append(line) {
      lines.push(line);
    },
  };
}

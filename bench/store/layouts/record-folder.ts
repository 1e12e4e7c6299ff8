/** Bytes under keys in a folder, as plainly as a layout allows: nothing is checked, counted or shared. */
export interface RecordFolder {
  /** Learns what is there. */
  open(): Promise<void>;
  put(key: string, bytes: Uint8Array): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  delete(key: string): Promise<void>;
  /** Gives back what deleted records took; tells the bytes that were written for it. */
  compact(): Promise<number>;
  readonly records: number;
  close(): Promise<void>;
}

const codes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Why a command was aborted: the system asked it to end. */
export class Stopped extends Error {
  /** 128 and the number of the signal, as shells have it. */
  readonly exitCode: number;

  constructor(signal: keyof typeof codes) {
    super(signal === 'SIGINT' ? 'stopped by Ctrl-C' : `stopped by ${signal}`);
    this.exitCode = codes[signal];
  }
}

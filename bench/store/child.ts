import { fork } from 'node:child_process';

/**
 * What another process reports: one message, then its end. Rejects where it ends in any other way, killed by a signal
 * as well.
 * @param worker path of its module.
 */
export function reportOf<T>(
  worker: string | URL,
  args: readonly (string | number)[],
  execArgv: readonly string[] = [],
): Promise<T> {
  return new Promise((resolve, reject) => {
    const child = fork(worker, args.map(String), { execArgv: [...execArgv] });
    let report: { readonly message: unknown } | undefined;
    let end: { readonly how: string; readonly good: boolean } | undefined;
    const settle = (): void => {
      // A message may still be on its way when the process is gone, until the channel is.
      if (!end || child.connected) return;
      if (end.good && report) resolve(report.message as T);
      else reject(new Error(`the process ${end.how}${report ? '' : ' and reported nothing'}`));
    };
    child.once('error', reject);
    child.once('message', (message) => (report = { message }));
    child.once('disconnect', settle);
    child.once('exit', (code, signal) => {
      end = { how: signal ? `was ended by ${signal}` : `ended with ${code}`, good: code === 0 };
      settle();
    });
  });
}

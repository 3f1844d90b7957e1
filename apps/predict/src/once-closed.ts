import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Judge } from '@drf/judge';

/**
 * Opens a judge that may be closed before its time, and again at its end. Once it is closed, nothing holds its model: it
 * is opened here because a caller that awaited the judge itself would hold it for as long as that caller runs.
 */
export async function onceClosed(open: () => Promise<Judge>): Promise<Judge> {
  let judge: Judge | undefined = await open();
  const { info } = judge;
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const last = judge;
    judge = undefined;
    await last?.close();
  };
  return { info, judge: (post) => (judge as Judge).judge(post), close: () => (closing ??= close()) };
}

/**
 * Gives back at once what nothing holds any more. Left to itself, a process that does little else keeps the parameters of
 * a closed model for as long as it runs.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

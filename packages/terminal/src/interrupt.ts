/**
 * Turns the first Ctrl-C (SIGINT) or SIGTERM into an abort signal, so that a long job can save and say how to resume.
 * A second Ctrl-C ends the process at once.
 */
export function interruptSignal(onFirst: () => void): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const handler = (): void => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', handler);
  process.on('SIGTERM', handler);
  return {
    signal: controller.signal,
    release: () => {
      process.off('SIGINT', handler);
      process.off('SIGTERM', handler);
    },
  };
}

import { builtPage } from '@drf/page-app';
import { interruptSignal, spell } from '@drf/terminal';
import { addressWarnings, readToken } from './access.js';
import { serve } from './serve.js';
import type { MainOptions } from './flags.js';

/** `drf serve`. */
export async function serveAction(run: string | undefined, options: MainOptions): Promise<void> {
  const say = (message: string): void => void (options.quiet === true || process.stderr.write(`${message}\n`));
  const token = await readToken(options.tokenFile);
  const page = pageOf(options.page, say);
  const interrupt = interruptSignal(() => say('Finishing what was accepted (Ctrl-C again ends at once) …'));
  const log = { level: options.logLevel, stream: process.stdout };
  const { hostName: hostNames, allowOrigin: allowedOrigins } = options;
  const served = await serve({
    ...options,
    run: run === undefined ? options.with : [run, ...(options.with ?? [])],
    token,
    page,
    hostNames,
    allowedOrigins,
    limits: options,
    log,
  });
  say(`Listening on ${served.address}${page === undefined ? ' (no page)' : ''}. Ctrl-C ends it.`);
  for (const warning of addressWarnings(options.host, { token, hostNames })) say(warning);
  if (!interrupt.signal.aborted) {
    await new Promise((resolve) => interrupt.signal.addEventListener('abort', resolve, { once: true }));
  }
  await served.close(options.grace * 1000);
  interrupt.release();
}

/** The folder that `--page` names; with neither `--page` nor `--no-page` the page that comes with this program. */
function pageOf(option: MainOptions['page'], say: (message: string) => void): string | undefined {
  if (typeof option === 'string') return option;
  const page = option === false ? undefined : builtPage();
  if (option !== false && page === undefined)
    say(`There is no page to show: it was not built (${spell('build')} makes it).`);
  return page;
}

import { closeSync, openSync } from 'node:fs';
import { builtPage } from '@drf/page-app';
import { DEFAULT_LIMITS, type ServiceLimits } from '@drf/service/limits';
import { fetchFolder, fetchFolders, isObjectLocation } from '@drf/storage';
import { ConfigurationError, refuser } from '@drf/tensor';
import { interruptSignal, spell } from '@drf/terminal';
import { addressWarnings, readToken } from './access.js';
import type { MainOptions } from './flags.js';
import { serve, type ServeOptions } from './serve.js';
import { stateOf, watchFolders } from './watch.js';
import { serveByWorkers } from './workers.js';

/** `drf serve`. */
export async function serveAction(run: string | undefined, options: MainOptions): Promise<void> {
  const say = (message: string): void => void (options.quiet === true || process.stderr.write(`${message}\n`));
  const token = await readToken(options.tokenFile);
  const page = pageOf(options.page, say);
  const interrupt = interruptSignal(() => say('Finishing what was accepted (Ctrl-C again ends at once) …'));
  const log = { level: options.logLevel, stream: process.stdout };
  const { hostName: hostNames, allowOrigin: allowedOrigins, workers } = options;
  const locations = run === undefined ? options.with : [run, ...(options.with ?? [])];
  if (options.watch === true && locations === undefined) {
    throw refuser(ConfigurationError, 'serve --watch')(
      'a run or an export that judges',
      'files for the browser only',
      'name it, or start serve anew when they have changed',
    );
  }
  if (options.watch === true && locations?.some(isObjectLocation) === true) {
    throw refuser(ConfigurationError, 'serve --watch')(
      'folders of this machine',
      'a location in object storage, of which a copy was made',
      'leave it out, and start serve anew when it has changed',
    );
  }
  const silent = options.quiet === true;
  const folders = locations === undefined ? undefined : await fetchFolders(locations, { silent });
  const browserModel = options.onnx === undefined ? undefined : await fetchFolder(options.onnx, { silent });
  if (locations !== undefined) say(`Opening ${locations.join(' and ')} …`);
  const opened = await stateOf(folders ?? []);
  const serving: ServeOptions = {
    ...chosenOf(options),
    onnx: browserModel,
    run: folders,
    token,
    page,
    hostNames,
    allowedOrigins,
    limits: limitsOf(options),
    log,
    trace: options.trace ?? tracesOfEnvironment(),
  };
  const served = await (workers === 1 ? serve(serving) : serveByWorkers(serving, workers));
  say(`Listening on ${served.address}${page === undefined ? ' (no page)' : ''}. Ctrl-C ends it.`);
  if (served.model !== null) say(`Model ${served.model.name}, version ${served.model.version}${workers === 1 ? '' : `; ${workers} workers`}.`); // prettier-ignore
  for (const warning of addressWarnings(options.host, { token, hostNames })) say(warning);
  const reload = async (): Promise<void> => {
    say('Opening the model anew …');
    await served.reload().then(
      ({ model }) => say(`Model ${model.name}, version ${model.version}.`),
      (error: unknown) => say(`The model before goes on: ${error instanceof Error ? error.message : String(error)}`),
    );
  };
  const hangUp = onHangUp(reload, interrupt.signal);
  const watching = options.watch === true && folders !== undefined ? watchFolders(folders, reload, { opened }) : undefined; // prettier-ignore
  if (!interrupt.signal.aborted) {
    await new Promise<void>((resolve) => {
      interrupt.signal.addEventListener('abort', () => resolve(), { once: true });
      void hangUp.terminalIsGone.then(resolve);
    });
  }
  watching?.();
  await served.close(options.grace * 1000);
  hangUp.release();
  interrupt.release();
  say('Ended.');
}

function chosenOf({ checkpoint, engine, allowDownload, modelName, host, port, decoders, trustProxy, judgeMilliseconds }: MainOptions) {
  return { checkpoint, engine, allowDownload, modelName, host, port, decoders, trustProxy, judgeMilliseconds };
} // prettier-ignore

/** What of the service's limits was given. */
function limitsOf(options: MainOptions): Partial<ServiceLimits> {
  return Object.fromEntries(
    Object.keys(DEFAULT_LIMITS)
      .map((name) => [name, options[name as keyof ServiceLimits]])
      .filter(([, value]) => value !== undefined),
  );
}

/** Whether OpenTelemetry's own variables say where traces go. */
function tracesOfEnvironment(environment: NodeJS.ProcessEnv = process.env): 'environment' | undefined {
  if (environment['OTEL_SDK_DISABLED'] === 'true' || environment['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces } = environment;
  return (all ?? traces) === undefined ? undefined : 'environment';
}

/**
 * SIGHUP asks for a reload, as services have it. It is also what a terminal sends that is closed: then nobody can end the
 * program any more, so it ends by itself.
 */
function onHangUp(reload: () => Promise<void>, interrupted: AbortSignal) {
  let leave: () => void = () => undefined;
  const terminalIsGone = new Promise<void>((resolve) => (leave = resolve));
  const hadTerminal = hasTerminal();
  const handler = (): void => {
    if (interrupted.aborted) return;
    if (hadTerminal && !hasTerminal()) return leave();
    void reload();
  };
  process.on('SIGHUP', handler);
  return { terminalIsGone, release: () => void process.off('SIGHUP', handler) };
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** The folder that `--page` names; with neither `--page` nor `--no-page` the page that comes with this program. */
function pageOf(option: MainOptions['page'], say: (message: string) => void): string | undefined {
  if (typeof option === 'string') return option;
  const page = option === false ? undefined : builtPage();
  if (option !== false && page === undefined)
    say(`There is no page to show: it was not built (${spell('build')} makes it).`);
  return page;
}

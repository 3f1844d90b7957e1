import { ENGINE_NAMES } from '@drf/tensor';
import { closeSync, openSync } from 'node:fs';
import { addOwnOption } from '@drf/files';
import { builtPage } from '@drf/page-app';
import { DEFAULT_LIMITS, type ServiceLimits } from '@drf/service';
import {
  collect,
  createProgram,
  finiteNumber,
  interruptSignal,
  InvalidArgumentError,
  oneOf,
  spell,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { addressWarnings, readToken, TOKEN_VARIABLE } from './access.js';
import { serve, type ServeOptions } from './serve.js';
import { stateOf, watchFolders } from './watch.js';
import { serveByWorkers } from './workers.js';

interface MainOptions extends Partial<ServiceLimits> {
  readonly with?: readonly string[];
  readonly host: string;
  readonly port: number;
  readonly tokenFile?: string;
  readonly page?: string | boolean;
  readonly onnx?: string;
  readonly checkpoint?: string;
  readonly engine: string;
  readonly allowDownload?: boolean;
  readonly decoders: number;
  readonly judgeMilliseconds: number;
  readonly hostName?: readonly string[];
  readonly allowOrigin?: readonly string[];
  readonly trustProxy?: readonly string[];
  readonly workers: number;
  readonly watch?: boolean;
  readonly modelName?: string;
  readonly trace?: string;
  readonly grace: number;
  readonly logLevel: string;
  readonly quiet?: boolean;
}

const LOG_LEVELS = ['error', 'warn', 'info', 'debug', 'silent'] as const;

/** What of the service's limits can be set, with what it means and what it may be. */
const LIMITS: readonly [keyof ServiceLimits, string, string, ReturnType<typeof wholeNumber>][] = [
  ['bodyBytes', '--body-bytes <count>', 'largest body', wholeNumber(1024)],
  ['totalBodyBytes', '--total-body-bytes <count>', 'of all bodies at once', wholeNumber(1024)],
  ['pixels', '--pixels <count>', 'largest image', wholeNumber(1)],
  ['textCharacters', '--text-characters <count>', 'longest text', wholeNumber(1)],
  ['batchPosts', '--batch-posts <count>', 'largest batch', wholeNumber(1)],
  ['waitingPosts', '--waiting-posts <count>', 'longest line; further posts get 503', wholeNumber(1)],
  ['answerMilliseconds', '--answer-milliseconds <time>', 'longest wait for an answer', wholeNumber(1, 3_600_000)],
  ['requestMilliseconds', '--request-milliseconds <time>', 'longest time that a client may send', wholeNumber(1, 3_600_000)],
  ['clientShare', '--client-share <part>', 'part of the line, of --total-body-bytes and of the connections that one client may hold', finiteNumber(0.01, 1)],
  ['bodyBytesPerSecond', '--body-bytes-per-second <count>', 'slowest body, over five seconds', wholeNumber(0)],
]; // prettier-ignore

/** The command `serve`: opens what judges, listens, and ends by a signal. */
export function createServeProgram(): Command {
  const program = createProgram('serve', 'Serves a trained run over HTTP.', [
    [spell('serve runs/quickstart'), 'on http://127.0.0.1:8080, with the page'],
    [`curl -s localhost:8080/v1/predict -H 'content-type: application/json' -d '{"text":"What a day!"}'`, 'ask it'],
    ['curl -s localhost:8080/v1/predict -F text="Look" -F image=@cat.jpg', 'the same as a form'],
    [spell('serve runs/quickstart --host 0.0.0.0 --token-file token.txt'), 'for others, who need the token'],
    [spell('serve exported --workers 4'), 'four processes at one port'],
    [
      spell('serve current --watch'),
      'and another model whenever what the link leads to has changed; kill -HUP does so, too',
    ],
    [spell('serve exported'), 'by an exported folder: the run itself is not needed'],
    [spell('serve runs/seed1 --with runs/seed2'), 'by several, whose probabilities are averaged'],
    [spell('serve --onnx exported'), 'the page judges in the browser, with an exported folder'],
  ])
    .argument('[run]', 'folder of a trained run, or an exported one')
    .option('--with <folder>', 'a further run or export, to judge together as an ensemble (repeat for more)', collect)
    .option('--host <address>', 'where it listens', '127.0.0.1')
    .option('--port <number>', 'where it listens; 0 for any that is free', wholeNumber(0, 65_535), 8080)
    .option('--token-file <file>', `file with the token that clients must send (or the variable ${TOKEN_VARIABLE})`)
    .option(
      '--host-name <name>',
      'a name under which others reach it (repeat for more); needed behind a proxy',
      collect,
    )
    .option('--allow-origin <origin>', 'https://… of another site whose pages may ask (repeat for more)', collect)
    .option('--trust-proxy <address>', 'a proxy whose X-Forwarded-For names the client (repeat for more)', collect)
    .option('--page <folder>', 'static files for / (default: the page that comes with it)')
    .option('--no-page', 'no page')
    .option('--onnx <folder>', 'an exported folder, with which the page judges in the browser')
    .option('--checkpoint <file>', "a checkpoint of the run (default: the run's result)")
    .option('--engine <name>', ENGINE_NAMES.join(', '), oneOf(ENGINE_NAMES), 'auto')
    .option('--allow-download', 'fetch encoders that the run names and the cache lacks from the Hugging Face hub')
    .option('--decoders <count>', 'images that are decoded at once', wholeNumber(1, 64), 2)
    .option(
      '--workers <count>',
      'processes that serve, each with a judge; limits are shared out',
      wholeNumber(1, 64),
      1,
    )
    .option('--watch', 'take over another model when the folders change, or what a link leads to')
    .option('--model-name <name>', "what the model is called in answers (default: the run's name)", modelName)
    .option('--trace <url>', 'a collector of OpenTelemetry traces, http://collector:4318', collector)
    .option('--grace <seconds>', 'how long it finishes what it accepted when told to end', wholeNumber(0, 3_600), 30)
    .option('--log-level <name>', LOG_LEVELS.join(', '), oneOf(LOG_LEVELS), 'info')
    .option('--quiet', 'nothing on standard error but errors');
  for (const [name, flags, description, parse] of LIMITS)
    program.option(flags, description, parse, DEFAULT_LIMITS[name]);
  program.option(
    '--judge-milliseconds <time>',
    'longest judgment or decoding; then the judge’s process is replaced',
    wholeNumber(1, 3_600_000),
    10_000,
  );
  addOwnOption(program).action(async (run: string | undefined, options: MainOptions) => serveUntilTold(run, options));
  return program;
}

async function serveUntilTold(run: string | undefined, options: MainOptions): Promise<void> {
  const say = (message: string): void => void (options.quiet === true || process.stderr.write(`${message}\n`));
  const token = await readToken(options.tokenFile);
  const page = pageOf(options.page, say);
  const interrupt = interruptSignal(() => say('Finishing what was accepted (Ctrl-C again ends at once) …'));
  const log = { level: options.logLevel, stream: process.stdout };
  const { hostName: hostNames, allowOrigin: allowedOrigins, workers } = options;
  const folders = run === undefined ? options.with : [run, ...(options.with ?? [])];
  const opened = await stateOf(folders ?? []);
  const serving: ServeOptions = {
    ...chosenOf(options),
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

function chosenOf({ checkpoint, engine, onnx, allowDownload, modelName, host, port, decoders, trustProxy, judgeMilliseconds }: MainOptions) {
  return { checkpoint, engine, onnx, allowDownload, modelName, host, port, decoders, trustProxy, judgeMilliseconds };
} // prettier-ignore

function limitsOf(options: MainOptions): Partial<ServiceLimits> {
  return Object.fromEntries(LIMITS.map(([name]) => [name, options[name]]));
}

/** Whether OpenTelemetry's own variables say where traces go. */
function tracesOfEnvironment(environment: NodeJS.ProcessEnv = process.env): 'environment' | undefined {
  if (environment['OTEL_SDK_DISABLED'] === 'true' || environment['OTEL_TRACES_EXPORTER'] === 'none') return undefined;
  const { OTEL_EXPORTER_OTLP_ENDPOINT: all, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: traces } = environment;
  return (all ?? traces) === undefined ? undefined : 'environment';
}

function modelName(text: string): string {
  if (/^[\w.+ -]{1,200}$/.test(text)) return text;
  throw new InvalidArgumentError('expected 1 to 200 letters, digits, and . _ + - and spaces');
}

function collector(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError('expected http://… or https://…, without /v1/traces');
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

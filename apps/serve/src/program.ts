import { addOwnOption } from '@drf/files';
import { DEFAULT_LIMITS, type ServiceLimits } from '@drf/service/limits';
import {
  collect,
  createProgram,
  engineOption,
  finiteNumber,
  InvalidArgumentError,
  oneOf,
  spell,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { TOKEN_VARIABLE, type MainOptions } from './flags.js';

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
  ['explanations', '--explanations <count>', 'at once; further ones get 503; 0: none are given', wholeNumber(0)],
  ['explainMilliseconds', '--explain-milliseconds <time>', 'longest wait for an explanation', wholeNumber(1, 3_600_000)],
  ['requestMilliseconds', '--request-milliseconds <time>', 'longest time that a client may send', wholeNumber(1, 3_600_000)],
  ['clientShare', '--client-share <part>', 'part of the line, of --total-body-bytes and of the connections that one client may hold', finiteNumber(0.01, 1)],
  ['bodyBytesPerSecond', '--body-bytes-per-second <count>', 'slowest body, over five seconds', wholeNumber(0)],
]; // prettier-ignore

/** The command that serves. */
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
    .addOption(engineOption('auto'))
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
  return addOwnOption(program).action(async (run: string | undefined, options: MainOptions) =>
    (await import('./serve-action.js')).serveAction(run, options),
  );
}

function modelName(text: string): string {
  if (/^[\w.+ -]{1,200}$/.test(text)) return text;
  throw new InvalidArgumentError('expected 1 to 200 letters, digits, and . _ + - and spaces');
}

function collector(text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new InvalidArgumentError('expected http://… or https://…, without /v1/traces');
}

import { createEngine } from '@drf/engine';
import { chooseProvider } from '@drf/onnx';
import { UnavailableError, type Engine, type EngineName } from '@drf/tensor';
import {
  engineOption,
  EXIT,
  ExitRequest,
  finiteNumber,
  formatTable,
  oneOf,
  wholeNumber,
  type Command,
} from '@drf/terminal';
import { BASE_SIZES, type EncoderSizes } from '../encoders/workload.js';
import { PEER_SIZES } from '../workload.js';
import { compareEngines, type ComparedSizes, type EngineComparison } from './compare.js';

const SMALL: EncoderSizes = {
  ...BASE_SIZES,
  ...{ batch: 8, length: 32, image: 64, patch: 16, dim: 128, layers: 3, heads: 4, vocabulary: 2000, queue: 64 },
};
const TINY: EncoderSizes = {
  ...SMALL,
  ...{ batch: 2, length: 8, image: 16, patch: 8, dim: 32, layers: 1, heads: 2, vocabulary: 100, queue: 8 },
};

/** Fine-tuning steps whose losses and results are compared. */
const STEPS = 20;

/** `base` is ViT-B/16 and BERT-base; the others are for machines where that takes too long. */
export const SIZES = {
  base: { head: PEER_SIZES, encoders: BASE_SIZES, trained: SMALL, steps: STEPS },
  small: { head: PEER_SIZES, encoders: SMALL, trained: SMALL, steps: STEPS },
  tiny: { head: { batch: 4, dim: 72, queue: 12 }, encoders: TINY, trained: TINY, steps: STEPS },
} as const satisfies Readonly<Record<string, ComparedSizes>>;
type SizeName = keyof typeof SIZES;

interface EnginesOptions {
  readonly engine: EngineName;
  readonly size: SizeName;
  readonly rounds: number;
  readonly minutes: number;
  readonly json?: boolean;
}

/** Any number of digits that says something: 0.00012 as 1.2e-4. */
const short = (number: number): string => (number === 0 ? '0' : number.toExponential(1));

function tables({ reference, candidate, equality, speed, leftOut, holds, seconds }: EngineComparison): string {
  const numbers = formatTable(
    ['numbers', 'largest difference', 'limit', ''],
    equality.map(({ what, difference, limit, holds: own }) => [what, short(difference), short(limit), own ? 'equal' : 'DIFFERENT']), // prettier-ignore
  );
  const times = formatTable(
    ['median ms', reference, candidate, 'times as fast', 'rounds'],
    speed.map((each) => [each.what, each.reference.toFixed(1), each.candidate.toFixed(1), each.ratio.toFixed(2), each.rounds]), // prettier-ignore
  );
  return [
    numbers,
    times,
    ...(leftOut.length === 0 ? [] : [`no time was left for: ${leftOut.join(', ')} (--minutes)`]),
    `${candidate} ${holds ? 'computes' : 'does NOT compute'} what ${reference} computes; ${seconds.toFixed(0)} s`,
  ].join('\n');
}

/** The engine, or nothing after saying that there is none. */
async function open(name: EngineName, json: boolean): Promise<Engine | undefined> {
  try {
    return await createEngine(name);
  } catch (error) {
    if (!(error instanceof UnavailableError) || !json) throw error;
    process.stdout.write(`${JSON.stringify({ candidate: name, available: false, why: error.message })}\n`);
    return undefined;
  }
}

/** Says which accelerators `auto` does not take, and why. */
async function sayPassedOver(say: (line: string) => void): Promise<void> {
  const { passedOver } = await chooseProvider();
  for (const { provider, reason, remedy } of passedOver) say(`compiled:${provider}: ${reason}; ${remedy}`);
  say('no accelerator is taken: the CPU is compared with itself');
}

async function compare({ engine: name, size, rounds, minutes, json = false }: EnginesOptions): Promise<void> {
  const say = (line: string): void => void (json || process.stderr.write(`${line}\n`));
  const candidate = await open(name, json);
  if (candidate === undefined) throw new ExitRequest(EXIT.failed);
  const reference = await createEngine('compiled:cpu');
  try {
    if (name === 'auto' && candidate.name === reference.name) await sayPassedOver(say);
    const onStage = (stage: string): void => say(`${stage} …`);
    const report = await compareEngines([reference, candidate], SIZES[size], {
      rounds,
      seconds: 60 * minutes,
      onStage,
    });
    process.stdout.write(json ? `${JSON.stringify({ available: true, size, ...report })}\n` : `${tables(report)}\n`);
    if (!report.holds) throw new ExitRequest(EXIT.failed);
  } finally {
    await candidate.dispose();
    await reference.dispose();
  }
}

/** Adds `bench engines`. */
export function addEnginesCommand(program: Command): void {
  program
    .command('engines')
    .description(
      `an engine beside compiled:cpu: outputs of encoders, a head step and ${STEPS} fine-tuning steps must be equal within ` +
        'limits (exit code 1 beyond them, and where the engine does not work here); then times, in paired rounds',
    )
    .addOption(engineOption('auto'))
    .option('--size <name>', Object.keys(SIZES).join(', '), oneOf<SizeName>(['base', 'small', 'tiny']), 'base')
    .option('--rounds <count>', 'rounds of each measurement', wholeNumber(1), 5)
    .option('--minutes <count>', 'no measurement begins after so many minutes', finiteNumber(0), 8)
    .option('--json', 'print JSON; no progress')
    .action(compare);
}

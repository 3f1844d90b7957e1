import type { Engine, HostTree } from '@drf/tensor';
import { createEncoderWorkload, createPredictWorkload, type EncoderSizes } from '../encoders/workload.js';
import { median } from '../measure.js';
import { createWorkload, type WorkloadSizes } from '../workload.js';
import { largestDifference, relativeDrift } from './differences.js';

/** What may differ, and by how much: outputs and losses relative to the largest number, training relative to its way. */
const LIMITS = { encoders: 1e-3, headLoss: 1e-4, headStep: 1e-2, losses: 1e-3, training: 5e-2, predict: 1e-4 };

/** What is computed: full size for time, and encoders that are small enough to be trained twice for their numbers. */
export interface ComparedSizes {
  readonly head: WorkloadSizes;
  /** Of encoding, judging and the fine-tuning step that is timed. */
  readonly encoders: EncoderSizes;
  /** Of the fine-tuning steps whose results are compared. */
  readonly trained: EncoderSizes;
  /** How many of those. */
  readonly steps: number;
}

interface Equality {
  readonly what: string;
  readonly difference: number;
  readonly limit: number;
  readonly holds: boolean;
}

interface Speed {
  readonly what: string;
  /** Median milliseconds of a call. */
  readonly reference: number;
  readonly candidate: number;
  /** Median over rounds of reference / candidate: above 1 the candidate is faster. */
  readonly ratio: number;
  readonly rounds: number;
}

export interface EngineComparison {
  readonly reference: string;
  readonly candidate: string;
  readonly equality: readonly Equality[];
  readonly speed: readonly Speed[];
  /** What there was no time to measure. */
  readonly leftOut: readonly string[];
  /** Whether all differences are within their limits. */
  readonly holds: boolean;
  readonly seconds: number;
}

export interface CompareOptions {
  /** Rounds of each measurement, each of both engines in turns. */
  readonly rounds: number;
  /** No measurement begins, and no further round, after so many seconds; numbers are always compared. */
  readonly seconds: number;
  readonly onStage?: (stage: string) => void;
}

interface Workload {
  readonly call: (number: number) => Promise<unknown>;
  readonly dispose: () => Promise<void>;
}

type Make<W> = (engine: Engine) => Promise<W>;

/** Does the same on both engines, one after the other, so that only one holds its memory. */
async function onBoth<W extends { dispose(): Promise<void> }, T>(
  engines: readonly [Engine, Engine],
  make: Make<W>,
  use: (workload: W) => Promise<T>,
): Promise<[T, T]> {
  const results: T[] = [];
  for (const engine of engines) {
    const workload = await make(engine);
    try {
      results.push(await use(workload));
    } finally {
      await workload.dispose();
    }
  }
  return results as [T, T];
}

interface Trained {
  readonly losses: readonly number[];
  readonly start: HostTree;
  readonly end: HostTree;
}

async function train(
  step: (number: number) => Promise<number>,
  readTrained: () => Promise<HostTree>,
  steps: number,
): Promise<Trained> {
  const start = await readTrained();
  const losses: number[] = [];
  for (let number = 0; number < steps; number++) losses.push(await step(number));
  return { losses, start, end: await readTrained() };
}

/** The largest difference of two losses of the same step, relative to the loss. */
function lossDifference(received: Trained, expected: Trained): number {
  const differences = expected.losses.map((loss, step) => Math.abs((received.losses[step] as number) - loss) / Math.abs(loss)); // prettier-ignore
  return differences.some(Number.isNaN) ? Infinity : Math.max(...differences);
}

/** Encodes, judges and trains on both engines, and compares the numbers. */
export async function compareNumbers(
  engines: readonly [reference: Engine, candidate: Engine],
  { head, encoders, trained, steps: count }: ComparedSizes,
  onStage: (stage: string) => void = () => undefined,
): Promise<Equality[]> {
  const found: Equality[] = [];
  const add = (what: string, difference: number, limit: number): void =>
    void found.push({ what, difference, limit, holds: difference <= limit });

  for (const [part, what] of [
    ['vit', 'image encoder'],
    ['bert', 'text encoder'],
  ] as const) {
    // prettier-ignore
    onStage(`${what}, outputs`);
    const [expected, received] = await onBoth(
      engines,
      (engine) => createEncoderWorkload(engine, part, 'forward', encoders),
      (workload) => workload.compute(0),
    );
    add(`${what}, outputs`, largestDifference(received, expected), LIMITS.encoders);
  }

  onStage('prediction');
  const [wanted, judged] = await onBoth(
    engines,
    (engine) => createPredictWorkload(engine, encoders),
    (workload) => workload.compute(0),
  );
  add('prediction, logits', largestDifference(judged, wanted), LIMITS.predict);

  onStage('head step');
  const [headWanted, headGiven] = await onBoth(
    engines,
    (engine) => createWorkload(engine, head),
    ({ step, readTrained }) => train(step, readTrained, 1),
  );
  add('head step, loss', lossDifference(headGiven, headWanted), LIMITS.headLoss);
  add(
    'head step, change of parameters',
    relativeDrift(headGiven.end, headWanted.end, headWanted.start),
    LIMITS.headStep,
  );

  const steps = `${count} fine-tuning steps`;
  onStage(steps);
  const [longWanted, longGiven] = await onBoth(
    engines,
    (engine) => createEncoderWorkload(engine, 'both', 'step', trained),
    ({ call, readTrained }) => train(call, readTrained, count),
  );
  add(`${steps}, losses`, lossDifference(longGiven, longWanted), LIMITS.losses);
  add(
    `${steps}, change of parameters`,
    relativeDrift(longGiven.end, longWanted.end, longWanted.start),
    LIMITS.training,
  );
  return found;
}

/** Milliseconds of a call. */
async function timeOf({ call }: Workload, number: number): Promise<number> {
  const started = performance.now();
  await call(number);
  return performance.now() - started;
}

/** Times a workload on both engines in paired rounds, the first one first in every other round. */
async function timeBoth(
  what: string,
  engines: readonly [Engine, Engine],
  make: Make<Workload>,
  { rounds, isOver }: { readonly rounds: number; readonly isOver: () => boolean },
): Promise<Speed> {
  const workloads: Workload[] = [];
  try {
    for (const engine of engines) workloads.push(await make(engine));
    const [reference, candidate] = workloads as [Workload, Workload];
    for (const workload of workloads) await workload.call(0); // traces and compiles
    const times: (readonly [number, number])[] = [];
    for (let round = 0; round < rounds && (round === 0 || !isOver()); round++) {
      const first = await timeOf(round % 2 === 0 ? reference : candidate, round + 1);
      const second = await timeOf(round % 2 === 0 ? candidate : reference, round + 1);
      times.push(round % 2 === 0 ? [first, second] : [second, first]);
    }
    return {
      what,
      reference: median(times.map(([own]) => own)),
      candidate: median(times.map(([, own]) => own)),
      ratio: median(times.map(([own, other]) => own / other)),
      rounds: times.length,
    };
  } finally {
    for (const workload of workloads) await workload.dispose();
  }
}

/** Compares two engines: first whether they compute the same, then how fast each is. */
export async function compareEngines(
  engines: readonly [reference: Engine, candidate: Engine],
  sizes: ComparedSizes,
  { rounds, seconds, onStage = () => undefined }: CompareOptions,
): Promise<EngineComparison> {
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const [reference, candidate] = engines;
  const equality = await compareNumbers(engines, sizes, onStage);
  const measurements: readonly (readonly [what: string, make: Make<Workload>])[] = [
    [
      'head step',
      async (engine) => {
        const { step, dispose } = await createWorkload(engine, sizes.head);
        return { call: step, dispose };
      },
    ],
    ['predict, one post', (engine) => createPredictWorkload(engine, sizes.encoders)],
    ['encoding', (engine) => createEncoderWorkload(engine, 'both', 'forward', sizes.encoders)],
    ['fine-tuning step', (engine) => createEncoderWorkload(engine, 'both', 'step', sizes.encoders)],
  ];
  const speed: Speed[] = [];
  const leftOut: string[] = [];
  const begun = elapsed();
  for (const [index, [what, make]] of measurements.entries()) {
    if (elapsed() >= seconds) {
      leftOut.push(what);
      continue;
    }
    onStage(`time of ${what}`);
    const end = begun + ((seconds - begun) * (index + 1)) / measurements.length; // none takes the others' time
    speed.push(await timeBoth(what, engines, make, { rounds, isOver: () => elapsed() >= end }));
  }
  return {
    reference: reference.name,
    candidate: candidate.name,
    equality,
    speed,
    leftOut,
    holds: equality.every(({ holds }) => holds),
    seconds: elapsed(),
  };
}

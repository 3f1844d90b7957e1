import { TOKEN_LAYOUTS } from '@drf/encoders';
import { createEngine } from '@drf/engine';
import { createMethod, METHOD_NAMES, parseExperiment } from '@drf/experiment';
import {
  ADAMW_DEFAULTS,
  prepareTraining,
  stepSchedule,
  type BatchInputs,
  type Memory,
  type Method,
  type MethodShapes,
  type TokenShape,
} from '@drf/model';
import { createRandom, hostTensor, type Engine, type Host, type HostTensor, type HostTree } from '@drf/tensor';
import { median, timeCalls } from './measure.js';

/** Widths of the embedded encoders, and their tokens as methods read them. */
const SHAPES: MethodShapes = { imageDim: 1792, textDim: 512, classes: 3, tokens: TOKEN_LAYOUTS };

export interface MethodTime {
  readonly method: string;
  /** Trained numbers and those that were measured. */
  readonly parameters: number;
  readonly msPerStep: number;
  readonly fastest: number;
}

/** Every method that an experiment can name, at its default options. */
function methods(dim: number): Method[] {
  return METHOD_NAMES.map((method) => {
    const experiment = { name: 'bench', dataset: { name: 'embedded' }, method, model: { dim } } as const;
    return createMethod(parseExperiment(experiment, 'The benchmark of methods'), SHAPES);
  });
}

/** A training step of every method on random posts, one method after the other. */
export async function measureMethods(options: {
  readonly batch: number;
  readonly dim: number;
  readonly steps: number;
  readonly warmUp: number;
}): Promise<MethodTime[]> {
  const times: MethodTime[] = [];
  for (const method of methods(options.dim)) {
    const engine = await createEngine('compiled');
    try {
      times.push(await measureMethod(engine, method, options));
    } finally {
      await engine.dispose();
    }
  }
  return times;
}

async function measureMethod(
  engine: Engine,
  method: Method,
  { batch, steps, warmUp }: { readonly batch: number; readonly steps: number; readonly warmUp: number },
): Promise<MethodTime> {
  const workload = await createMethodWorkload(engine, method, SHAPES, batch);
  const times = await timeCalls((number) => workload.step(number), steps, warmUp);
  await workload.dispose();
  return { method: method.id, parameters: workload.parameters, msPerStep: median(times), fastest: Math.min(...times) };
}

/** Training steps of a method, one after the other, on the same random posts. */
export interface MethodWorkload {
  /** Trained numbers and those that were measured. */
  readonly parameters: number;
  readonly memory: Memory;
  /** Runs the step of this number (from 0), and tells the memory. */
  step(number: number): Promise<void>;
  dispose(): Promise<void>;
}

/** A method that trains on random posts of these widths, all of them intact. */
export async function createMethodWorkload(
  engine: Engine,
  method: Method,
  shapes: MethodShapes,
  batch: number,
): Promise<MethodWorkload> {
  const parameters = method.initialParameters(createRandom(0));
  const memory = method.createMemory();
  const program = await prepareTraining(engine, method, parameters, ADAMW_DEFAULTS);
  const inputs = randomPosts(batch, shapes);
  return {
    parameters: countNumbers(parameters),
    memory,
    step: async (number) => {
      const schedule = stepSchedule(number, 10_000, { encoder: 0, head: 1e-4, floor: 0 }, ADAMW_DEFAULTS);
      const { observations } = await program.learn({ ...inputs, memory: memory.inputs(), schedule });
      memory.update(observations);
    },
    dispose: () => program.dispose(),
  };
}

function countNumbers(tree: HostTree): number {
  return Object.values(tree).reduce(
    (sum, value) => sum + ('dtype' in value ? (value as HostTensor).data.length : countNumbers(value)),
    0,
  );
}

function randomPosts(
  posts: number,
  { imageDim, textDim, classes, tokens: layouts }: MethodShapes,
): { batch: Host<BatchInputs>; labels: HostTensor } {
  const random = createRandom(1);
  const normals = (...shape: number[]): HostTensor =>
    hostTensor(
      Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => random.normal()),
      shape,
    );
  const ones = (...shape: number[]): HostTensor =>
    hostTensor(new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(1), shape);
  const tokens = ({ count, dim }: TokenShape): { tokens: HostTensor; mask: HostTensor; pieces: HostTensor } => ({
    tokens: normals(posts, count, dim),
    mask: ones(posts, count),
    pieces: hostTensor(new Int32Array(posts * count), [posts, count]),
  });
  const modality = (dim: number, layout: TokenShape | undefined): Host<BatchInputs['image']> => ({
    features: normals(posts, dim),
    available: ones(posts),
    ...(layout === undefined ? {} : { tokens: tokens(layout) }),
  });
  const batch = { image: modality(imageDim, layouts?.image), text: modality(textDim, layouts?.text) };
  const labels = hostTensor(
    Int32Array.from({ length: posts }, (_, post) => post % classes),
    [posts],
  );
  return { batch, labels };
}

import {
  ADAMW_DEFAULTS,
  createDrf,
  DrfMemory,
  drfConfig,
  prepareTraining,
  stepSchedule,
  type BatchInputs,
  type DrfMemoryInputs,
  type DrfObservations,
  type LearnInputs,
  type TrainingProgram,
} from '@drf/model';
import {
  createRandom,
  hostTensor,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type Random,
} from '@drf/tensor';

/** Sizes of one head step; the defaults are those of the peer script in PyTorch. */
export interface WorkloadSizes {
  readonly batch: number;
  readonly dim: number;
  readonly queue: number;
}

export const PEER_SIZES: WorkloadSizes = { batch: 16, dim: 768, queue: 512 };
const CLASSES = 3;
const BATCHES = 8;
const LEARNING_RATES = { encoder: 2e-5, head: 2e-4, floor: 1e-6 };

/** One DRF head step after another: features in, parameters, moments and queues updated. */
export interface Workload {
  /** Runs the step of this number (from 0) with the queues' update. Returns the loss. */
  step(number: number): Promise<number>;
  /** What has been trained so far. */
  readTrained(): Promise<HostTree>;
  readonly program: TrainingProgram<BatchInputs, DrfMemoryInputs, DrfObservations>;
  dispose(): Promise<void>;
}

function normals(random: Random, rows: number, columns: number): HostTensor {
  const numbers = Float32Array.from({ length: rows * columns }, () => random.normal());
  return hostTensor(numbers, [rows, columns]);
}

/** One image and one text of the batch are missing, other ones each step. */
function availability(batch: number, missing: number): HostTensor {
  return hostTensor(
    Float32Array.from({ length: batch }, (_, row) => Number(row !== missing % batch)),
    [batch],
  );
}

function filledMemory(random: Random, { dim, queue }: WorkloadSizes): DrfMemory {
  const memory = new DrfMemory({ capacity: queue, dim });
  memory.queue('image').enqueue(normals(random.fork('image queue'), queue, dim));
  memory.queue('text').enqueue(normals(random.fork('text queue'), queue, dim));
  return memory;
}

/**
 * Multiplications and additions of a step's matrix products, ×2 as usual: converters over batch and queue rows (without
 * the first layer's input gradient), fusion over three pairs a post, classifier.
 */
export function stepFlops({ batch, dim, queue }: WorkloadSizes): number {
  const square = dim * dim;
  const converters = 2 * (batch + queue) * square * (2 + 3); // two forward, two for weights, one for the hidden rows
  const fusion = 3 * batch * (2 * square * 3 + square * 3 + square * 3);
  const classifier = batch * dim * CLASSES * 3;
  return 2 * (converters + fusion + classifier);
}

/** The peer script's workload on an engine: both features given, all losses, AdamW, queues full from the start. */
export async function createWorkload(engine: Engine, sizes: WorkloadSizes): Promise<Workload> {
  const random = createRandom(0);
  const { batch, dim, queue } = sizes;
  const method = createDrf(
    drfConfig(dim, { queueCapacity: queue, weighting: 'normalized', recoveryTargetGradient: false }),
    { imageDim: dim, textDim: dim, classes: CLASSES },
  );
  const parameters = method.initialParameters(random.fork('parameters'));
  const program = await prepareTraining(engine, method, parameters, ADAMW_DEFAULTS);
  const memory = filledMemory(random, sizes);
  const batches = Array.from({ length: BATCHES }, (_, i) => ({
    image: normals(random.fork(`image ${i}`), batch, dim),
    text: normals(random.fork(`text ${i}`), batch, dim),
    labels: hostTensor(
      Int32Array.from({ length: batch }, () => random.integer(CLASSES)),
      [batch],
    ),
  }));
  const inputs = (number: number): Host<LearnInputs<BatchInputs, DrfMemoryInputs>> => {
    const { image, text, labels } = batches[number % BATCHES] as (typeof batches)[number];
    return {
      batch: {
        image: { features: image, available: availability(batch, number) },
        text: { features: text, available: availability(batch, number + 1) },
      },
      labels,
      memory: memory.inputs(),
      schedule: stepSchedule(number, 10_000, LEARNING_RATES, ADAMW_DEFAULTS),
    };
  };
  return {
    program,
    async step(number) {
      const { observations, total } = await program.learn(inputs(number));
      memory.update(observations);
      return total.data[0] as number;
    },
    readTrained: async () => (await program.readState()).parameters.trained,
    dispose: () => program.dispose(),
  };
}

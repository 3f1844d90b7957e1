// Random examples for tests, as this package takes them and as the double-precision reference takes them.
import {
  createRandom,
  flattenTree,
  hostTensor,
  mapTree,
  unflattenTree,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type PerPost,
  type TensorTree,
} from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import {
  createDrf,
  DrfMemory,
  drfConfig,
  valueAndGradients,
  type BatchInputs,
  type DrfConfig,
  type DrfMemoryInputs,
  type DrfObservations,
  type DrfParameters,
  type Method,
  type MethodParameters,
} from '../index.js';
import type { Matrix, ReferenceInputs, ReferenceParameters, Row } from './reference.js';

export interface ExampleOptions {
  readonly seed?: number;
  readonly batch?: number;
  readonly dim?: number;
  readonly imageDim?: number;
  readonly textDim?: number;
  readonly classes?: number;
  readonly capacity?: number;
  /** Rows in each queue; both full by default. */
  readonly imageRows?: number;
  readonly textRows?: number;
  /** Whether some posts lack a modality; true by default. */
  readonly missing?: boolean;
  readonly config?: Partial<DrfConfig>;
}

export interface Example {
  readonly config: DrfConfig;
  readonly method: Method<DrfParameters, DrfMemoryInputs, DrfObservations>;
  readonly parameters: Host<DrfParameters>;
  readonly memory: DrfMemory;
  readonly batch: Host<BatchInputs>;
  readonly labels: HostTensor;
  /** The same numbers for the reference. */
  readonly plain: { readonly inputs: ReferenceInputs; readonly parameters: ReferenceParameters };
}

export function nested(host: HostTensor): Row | Matrix {
  const numbers = [...host.data];
  if (host.shape.length < 2) return numbers;
  const [rows, columns] = host.shape as [number, number];
  return Array.from({ length: rows }, (_, r) => numbers.slice(r * columns, (r + 1) * columns));
}

export function makeExample(options: ExampleOptions = {}): Example {
  const { seed = 1, batch = 5, dim = 4, imageDim = dim, textDim = dim, classes = 3, capacity = 6 } = options;
  const { imageRows = capacity, textRows = capacity, missing = true } = options;
  const random = createRandom(seed);
  const normal = (name: string, rows: number, columns: number, mean: number): HostTensor => {
    const stream = random.fork(name);
    return hostTensor(
      Array.from({ length: rows * columns }, () => mean + stream.normal()),
      [rows, columns],
    );
  };
  const available = (remainder: number): HostTensor =>
    hostTensor(
      Array.from({ length: batch }, (_, post) => (missing && post % 4 === remainder ? 0 : 1)),
      [batch],
    );
  const config = drfConfig(dim, {
    queueCapacity: capacity,
    weighting: 'normalized',
    recoveryTargetGradient: false,
    ...options.config,
  });
  const method = createDrf(config, { imageDim, textDim, classes });
  const parameters = method.initialParameters(random.fork('parameters'));
  const memory = new DrfMemory({ capacity, dim });
  const queues = { image: normal('image queue', imageRows, dim, 0.3), text: normal('text queue', textRows, dim, -0.3) };
  memory.queue('image').enqueue(queues.image);
  memory.queue('text').enqueue(queues.text);
  const inputs = {
    image: { features: normal('image', batch, imageDim, 0.3), available: available(1) },
    text: { features: normal('text', batch, textDim, -0.3), available: available(2) },
  };
  const labels = hostTensor(
    Int32Array.from({ length: batch }, (_, post) => post % classes),
    [batch],
  );
  const plainOf = (host: HostTree): unknown =>
    unflattenTree([...flattenTree<HostTensor>(host)].map(([name, leaf]) => [name, nested(leaf)] as const));
  return {
    config,
    method,
    parameters,
    memory,
    batch: inputs,
    labels,
    plain: {
      inputs: plainOf({
        image: inputs.image.features,
        text: inputs.text.features,
        imageAvailable: inputs.image.available,
        textAvailable: inputs.text.available,
        labels,
        imageQueue: queues.image,
        textQueue: queues.text,
      }) as ReferenceInputs,
      parameters: plainOf(parameters.trained) as ReferenceParameters,
    },
  };
}

/** A host tree as tensors: what a method's functions take. The caller disposes of them. */
export function upload<T extends TensorTree>(host: Host<T>): T {
  return mapTree(host as HostTree, toTensor) as T; // the names are those of T
}

/** A method with parameters and a batch for it. */
export interface Evaluated {
  readonly method: Method;
  readonly parameters: Host<MethodParameters>;
  readonly batch: Host<BatchInputs>;
  readonly labels: HostTensor;
}

/** Everything that a method's loss gives, and all gradients, of trained parameters and of features, by flat name. */
export async function evaluate(
  engine: Engine,
  { method, parameters, batch, labels }: Evaluated,
  memory: HostTree,
): Promise<Map<string, number[]>> {
  type Inputs = { batch: BatchInputs; labels: PerPost; memory?: TensorTree; parameters: MethodParameters };
  const program = await engine.prepare((_constants: TensorTree, given: Inputs) => {
    const { trained, fixed } = given.parameters;
    const { image, text } = given.batch;
    const { loss, gradients, auxiliary } = valueAndGradients(
      (leaves) => {
        const moved = { image: { ...image, features: leaves.image }, text: { ...text, features: leaves.text } };
        const all = { trained: leaves.parameters, fixed };
        const result = method.loss(all, moved, given.labels, given.memory ?? {});
        const { parts, observations, prediction } = result;
        return { loss: result.total, auxiliary: { parts, observations, prediction } };
      },
      { parameters: trained, image: image.features, text: text.features },
    );
    return { total: loss, gradients, ...auxiliary };
  }, {});
  const outputs = await program.run({ batch, labels, memory, parameters });
  await program.dispose();
  return new Map([...flattenTree<HostTensor>(outputs)].map(([name, { data }]) => [name, [...data]]));
}

/** Largest |a − b| over max(|b|, root mean square of b). */
export function relativeError(actual: readonly number[] | undefined, expected: readonly number[]): number {
  if (actual?.length !== expected.length) return Infinity;
  const scale = Math.sqrt(expected.reduce((sum, value) => sum + value * value, 0) / expected.length);
  const errors = expected.map((value, i) => {
    const difference = Math.abs((actual[i] as number) - value);
    return difference === 0 ? 0 : difference / Math.max(Math.abs(value), scale);
  });
  return errors.some(Number.isNaN) ? Infinity : Math.max(0, ...errors);
}

import type * as tf from '@tensorflow/tfjs';
import { applyLinear, type LinearParameters } from '@drf/layers';
import {
  createRandom,
  flattenTree,
  hostTensor,
  type Engine,
  type HostTensor,
  type HostTree,
  type PrepareOptions,
  type ProductType,
  type TensorTree,
} from '@drf/tensor';

/** Inputs of a product that ONNX Runtime adds up at a time, at least: fewer are one sum. */
const LEAST_ADDED = 128;
/** The same at most, which is where a thread has 16 columns, the fewest. */
const MOST_ADDED = 1024;

/** Where an engine's products are the same, to the last bit. */
interface ExactProducts {
  /** A row of a batch and that row alone, by the threads that a run among others has. */
  readonly inBatches: boolean;
  /** By these and by the threads of a run that is alone, too. */
  readonly alone: boolean;
}

/** The same, in one graph for all sizes of inputs and in one for each. */
export interface ExactRows {
  readonly oneGraph: ExactProducts;
  readonly eachSize: ExactProducts;
}

const ALL: ExactProducts = { inBatches: true, alone: true };
const NONE: ExactProducts = { inBatches: false, alone: false };

/**
 * Whether an engine computes a row of a batch, to the last bit, as it computes it alone: tried for the engine `compiled`, and
 * not known of others. ONNX Runtime divides a product among its threads by columns where there are more of them than rows,
 * else by rows. The fewer columns a thread has, the more inputs it adds up at a time: 128 where there are more than 64
 * columns, 1,024 where there are 16. So sums of few columns by many threads have another order for many rows than for few,
 * as those of 384 columns by five threads or more. With weights that are packed once (`dynamicAxes`) it always adds up 256.
 * Products in int8 are exact, whatever their order.
 * @param parameters of the model, of which the narrowest product is tried
 * @param parallelRuns of the model's program, which share the threads
 */
export async function exactRows(
  engine: Engine,
  parameters: HostTree,
  products: ProductType = 'float32',
  parallelRuns = 1,
): Promise<ExactRows> {
  if (engine.name !== 'compiled') return { oneGraph: NONE, eachSize: NONE };
  const columns = [...flattenTree<HostTensor>(parameters).values()]
    .filter(({ data, shape }) => data.length / (shape.at(-1) as number) > LEAST_ADDED)
    .map(({ shape }) => shape.at(-1) as number);
  if (products === 'int8' || columns.length === 0) return { oneGraph: ALL, eachSize: ALL };
  const narrowest = Math.min(...columns);
  return {
    oneGraph: await tryProducts(engine, narrowest, { parallel: parallelRuns, dynamicAxes: ['batch'] }),
    eachSize: await tryProducts(engine, narrowest, { parallel: parallelRuns }),
  };
}

/** Tries a product that is divided by columns, the same rows in one that is divided by rows, and one of them alone. */
async function tryProducts(engine: Engine, columns: number, options: PrepareOptions): Promise<ExactProducts> {
  const program = await engine.prepare<Pick<LinearParameters, 'kernel'>, { readonly rows: tf.Tensor }, TensorTree>(
    (constants, { rows }) => ({ product: applyLinear(constants, rows) }),
    { kernel: numbers(MOST_ADDED, columns) },
    options,
  );
  const productOf = async (rows: number, alone: boolean): Promise<HostTensor['data']> => {
    const outputs = await program.run({ rows: numbers(rows, MOST_ADDED) }, { alone });
    return (outputs as Record<'product', HostTensor>).product.data;
  };
  try {
    const few = await productOf(columns - 1, false);
    const isSame = async (rows: number, alone: boolean): Promise<boolean> => {
      const product = await productOf(rows, alone);
      return product.subarray(0, few.length).every((value, i) => value === few[i]);
    };
    const areSame = async (alone: boolean): Promise<boolean> =>
      (await isSame(1, alone)) && (await isSame(columns, alone));
    const inBatches = await areSame(false);
    return { inBatches, alone: inBatches && (await isSame(columns - 1, true)) && (await areSame(true)) };
  } finally {
    await program.dispose();
  }
}

/** Always the same ones, which repeat in no row or column, as drawing all of them would take longer than the product. */
function numbers(rows: number, columns: number): HostTensor {
  const random = createRandom(0);
  const some = Float32Array.from({ length: 4_099 }, () => random.uniform(-1, 1));
  const all = new Float32Array(rows * columns);
  for (let start = 0; start < all.length; start += some.length) all.set(some.subarray(0, all.length - start), start);
  return hostTensor(all, [rows, columns]);
}

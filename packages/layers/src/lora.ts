import {
  ConfigurationError,
  flattenTree,
  floatData,
  hostTensor,
  unflattenTree,
  type HostTensor,
  type HostTree,
  type Random,
} from '@drf/tensor';

/** The linear maps of a transformer layer, by their names in the parameter tree. */
export const LORA_TARGETS = ['query', 'key', 'value', 'output', 'up', 'down'] as const;
/** One of {@link LORA_TARGETS}. */
export type LoraTarget = (typeof LORA_TARGETS)[number];

/**
 * Low-rank updates (Hu et al., "LoRA: Low-rank adaptation of large language models", ICLR 2022): how wide, how strong,
 * of which maps.
 */
export interface LoraOptions {
  /** Width of the update's middle. */
  readonly rank: number;
  /** The update is scaled by alpha / rank. */
  readonly alpha: number;
  /** Which maps of each layer get an update. */
  readonly targets: readonly LoraTarget[];
}

const KERNEL = /^layers\.\d+\.(?:attention|mlp)\.(\w+)\.kernel$/;

function refuse(option: string, expected: string, received: unknown): never {
  throw new ConfigurationError({ subject: `addLora, ${option},`, expected, received: JSON.stringify(received) });
}

/** @throws ConfigurationError naming the option that cannot be meant */
export function assertLoraOptions({ rank, alpha, targets }: LoraOptions): void {
  if (!Number.isInteger(rank) || rank < 1) refuse('rank', 'a whole number from 1', rank);
  if (!Number.isFinite(alpha) || alpha <= 0) refuse('alpha', 'a number above 0', alpha);
  const known = (target: LoraTarget): boolean => LORA_TARGETS.includes(target);
  if (targets.length === 0 || !targets.every(known)) {
    refuse('targets', `some of ${LORA_TARGETS.join(', ')}`, targets);
  }
}

/**
 * Adds a low-rank update to linear maps of every layer: leaves `loraDown` [in, rank], uniform in ±1/√in, and `loraUp`
 * [rank, out], zeros, so that the encoder's outputs are at first what they were.
 * Source: Hu et al., "LoRA: Low-rank adaptation of large language models" (ICLR 2022); initialization as in `peft`.
 * @throws ConfigurationError for a rank below 1, an unknown target, or parameters without such a map
 */
export function addLora(parameters: HostTree, options: LoraOptions, random: Random): HostTree {
  assertLoraOptions(options);
  const leaves = flattenTree(parameters);
  const added = [...leaves].flatMap(([name, kernel]): [string, HostTensor][] => {
    const target = KERNEL.exec(name)?.[1];
    if (!options.targets.includes(target as LoraTarget)) return [];
    const prefix = name.slice(0, -'kernel'.length);
    const [inputs, outputs] = kernel.shape as [number, number];
    return [
      [`${prefix}loraDown`, uniform(random.fork(`${prefix}loraDown`), [inputs, options.rank], 1 / Math.sqrt(inputs))],
      [`${prefix}loraUp`, hostTensor(new Float32Array(options.rank * outputs), [options.rank, outputs])],
    ];
  });
  if (added.length === 0) refuse('targets', 'linear maps that the parameters have', options.targets);
  return unflattenTree([...leaves, ...added]);
}

function uniform(random: Random, shape: readonly [number, number], bound: number): HostTensor {
  const data = Float32Array.from({ length: shape[0] * shape[1] }, () => random.uniform(-bound, bound));
  return hostTensor(data, shape);
}

/** The parameters with every update added to its kernel, and without the update's leaves: what is exported. */
export function mergeLora(parameters: HostTree, { alpha }: Pick<LoraOptions, 'alpha'>): HostTree {
  const leaves = flattenTree(parameters);
  const merged = [...leaves].flatMap(([name, leaf]): [string, HostTensor][] => {
    if (/\.lora(Down|Up)$/.test(name)) return [];
    const prefix = name.slice(0, -'kernel'.length);
    const [down, up] = [leaves.get(`${prefix}loraDown`), leaves.get(`${prefix}loraUp`)];
    if (!name.endsWith('.kernel') || down === undefined || up === undefined) return [[name, leaf]];
    return [[name, addProduct(leaf, down, up, alpha / (down.shape[1] as number))]];
  });
  return unflattenTree(merged);
}

/** kernel + down·up·scale: [in, out] + [in, rank] × [rank, out], summed in double precision. */
function addProduct(kernel: HostTensor, down: HostTensor, up: HostTensor, scale: number): HostTensor {
  const [inputs, outputs] = kernel.shape as [number, number];
  const rank = down.shape[1] as number;
  const [base, left, right] = [floatData(kernel), floatData(down), floatData(up)];
  const sum = new Float32Array(base.length);
  const row = new Float64Array(outputs);
  for (let i = 0; i < inputs; i++) {
    row.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = (left[i * rank + r] as number) * scale;
      for (let j = 0; j < outputs; j++) row[j] = (row[j] as number) + factor * (right[r * outputs + j] as number);
    }
    for (let j = 0; j < outputs; j++) sum[i * outputs + j] = (base[i * outputs + j] as number) + (row[j] as number);
  }
  return hostTensor(sum, kernel.shape);
}

import {
  applyBert,
  applyVit,
  initializeBert,
  initializeVit,
  parseBertConfig,
  parseVitConfig,
  vitTokens,
} from '@drf/encoders';
import {
  ADAMW_DEFAULTS,
  createDrf,
  drfConfig,
  prepareTraining,
  stepSchedule,
  withEncoders,
  type EncodedBatchInputs,
  type MethodParameters,
  type StepEncoder,
} from '@drf/model';
import {
  createRandom,
  hostTensor,
  type Engine,
  type Features,
  type Host,
  type HostTensor,
  type HostTree,
  type Random,
  type TensorTree,
} from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';

export const PARTS = ['vit', 'bert', 'both'] as const;
export const MODES = ['forward', 'step'] as const;

/** What is measured; the defaults are ViT-B/16 and BERT-base. */
export interface EncoderSizes {
  readonly batch: number;
  /** Tokens of a text. */
  readonly length: number;
  /** Side of an image and of a patch, in pixels. */
  readonly image: number;
  readonly patch: number;
  readonly dim: number;
  readonly layers: number;
  readonly heads: number;
  readonly vocabulary: number;
  /** Rows of DRF's queues; under both encoders only. */
  readonly queue: number;
  /** Whether each layer computes its values anew in the gradient. */
  readonly recompute: boolean;
}

export const BASE_SIZES: EncoderSizes = {
  batch: 16,
  length: 128,
  image: 224,
  patch: 16,
  dim: 768,
  layers: 12,
  heads: 12,
  vocabulary: 30522,
  queue: 512,
  recompute: false,
};

export interface EncoderWorkload {
  /** Runs the call of this number, from 0. Returns a number that the whole result went into. */
  call(number: number): Promise<number>;
  /** The same, and returns all that it computed: the encoders' outputs, or the loss of a step. */
  compute(number: number): Promise<HostTree>;
  /** What a step has trained so far; of a forward pass nothing. */
  readTrained(): Promise<HostTree>;
  dispose(): Promise<void>;
}

const CLASSES = 3;
const RATES = { encoder: 1e-5, head: 1e-4, floor: 1e-6 };

function visionEncoder(random: Random, sizes: EncoderSizes): StepEncoder {
  const { dim, layers, heads, image, patch, recompute } = sizes;
  const config = parseVitConfig(
    {
      model_type: 'vit',
      image_size: image,
      patch_size: patch,
      hidden_size: dim,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      intermediate_size: 4 * dim,
    },
    'bench',
  );
  return {
    outputDim: dim,
    get initialParameters() {
      return initializeVit(random, config); // made when asked for, so that no copy is held beside the engine's
    },
    apply: (parameters, inputs) => {
      const { tokens } = applyVit(config, parameters, inputs['pixels'] as tf.Tensor, { recompute });
      return tf.sum<Features>(tf.mul(tokens, 1 / vitTokens(config)), 1);
    },
  };
}

function textEncoder(random: Random, sizes: EncoderSizes): StepEncoder {
  const { dim, layers, heads, vocabulary, length, recompute } = sizes;
  const config = parseBertConfig(
    {
      model_type: 'bert',
      vocab_size: vocabulary,
      hidden_size: dim,
      num_hidden_layers: layers,
      num_attention_heads: heads,
      intermediate_size: 4 * dim,
      max_position_embeddings: Math.max(512, length),
    },
    'bench',
  );
  return {
    outputDim: dim,
    get initialParameters() {
      return initializeBert(random, config);
    },
    apply: (parameters, inputs) => {
      const { ids, mask } = inputs as { ids: tf.Tensor; mask: tf.Tensor };
      const { tokens } = applyBert(config, parameters, { ids, mask }, { recompute });
      const weights = tf.div(mask, tf.sum(mask, 1, true));
      return tf.sum<Features>(tf.mul(tokens, tf.expandDims(weights, -1)), 1);
    },
  };
}

function normals(random: Random, shape: readonly number[]): HostTensor {
  const size = shape.reduce((product, each) => product * each, 1);
  return hostTensor(
    Float32Array.from({ length: size }, () => random.normal()),
    shape,
  );
}

/** Texts from half the length to the whole, as in the peer script. */
function texts(random: Random, { batch, length, vocabulary }: EncoderSizes): Host<{ ids: tf.Tensor; mask: tf.Tensor }> {
  const ids = Int32Array.from({ length: batch * length }, () => 1 + random.integer(vocabulary - 1));
  const tokens = (row: number): number => Math.floor((length / 2) * (1 + (batch > 1 ? row / (batch - 1) : 1)));
  const mask = Float32Array.from(ids, (_, i) => Number(i % length < tokens(Math.floor(i / length))));
  return { ids: hostTensor(ids, [batch, length]), mask: hostTensor(mask, [batch, length]) };
}

/** What a step's encoders read. */
export type Inputs = {
  readonly image: { readonly pixels: tf.Tensor };
  readonly text: { ids: tf.Tensor; mask: tf.Tensor };
};

function inputsOf(random: Random, sizes: EncoderSizes): Host<Inputs> {
  const { batch, image } = sizes;
  const pixels = normals(random.fork('pixels'), [batch, image, image, 3]);
  return { image: { pixels }, text: texts(random.fork('texts'), sizes) };
}

type EncoderSet = Partial<Record<'image' | 'text', StepEncoder>>;

function encodersOf(part: (typeof PARTS)[number], random: Random, sizes: EncoderSizes): EncoderSet {
  return {
    ...(part === 'bert' ? {} : { image: visionEncoder(random.fork('image'), sizes) }),
    ...(part === 'vit' ? {} : { text: textEncoder(random.fork('text'), sizes) }),
  };
}

async function forward(
  engine: Engine,
  encoders: EncoderSet,
  inputs: readonly Host<Inputs>[],
): Promise<EncoderWorkload> {
  const entries = Object.entries(encoders);
  const constants = Object.fromEntries(entries.map(([name, { initialParameters }]) => [name, initialParameters]));
  const applies = entries.map(([name, { apply }]) => [name, apply] as const);
  const program = await engine.prepare<TensorTree, TensorTree, { [name: string]: tf.Tensor }>(
    (parameters, given) =>
      Object.fromEntries(
        applies.map(([name, apply]) => [name, apply(parameters[name] as TensorTree, given[name] as TensorTree)]),
      ),
    constants,
  );
  const compute = (number: number): Promise<Record<string, HostTensor>> => {
    const all = inputs[number % inputs.length] as Host<Inputs>;
    return program.run(Object.fromEntries(entries.map(([name]) => [name, all[name as keyof Inputs]])));
  };
  return {
    call: async (number) => sumOfFirst(await compute(number)),
    compute,
    readTrained: async () => ({}),
    dispose: () => program.dispose(),
  };
}

function sumOfFirst(outputs: Readonly<Record<string, HostTensor>>): number {
  return Object.values(outputs).reduce((sum, { data }) => sum + (data[0] as number), 0);
}

/** DRF as every workload has it above the encoders. */
function headOf({ dim, queue }: Pick<EncoderSizes, 'dim' | 'queue'>) {
  return createDrf(drfConfig(dim, { queueCapacity: queue, weighting: 'normalized', recoveryTargetGradient: false }), {
    imageDim: dim,
    textDim: dim,
    classes: CLASSES,
  });
}

/** One encoder is trained under DRF with the other modality's features given; both under DRF with queues. */
export async function stepWorkload(
  engine: Engine,
  encoders: EncoderSet,
  inputs: readonly Host<Inputs>[],
  sizes: Pick<EncoderSizes, 'batch' | 'dim' | 'queue'>,
  random: Random,
): Promise<EncoderWorkload> {
  const { batch, dim } = sizes;
  const method = withEncoders(headOf(sizes), encoders);
  const program = await prepareTraining(engine, method, method.initialParameters(random.fork('head')), ADAMW_DEFAULTS);
  const memory = method.createMemory();
  const features = normals(random.fork('features'), [batch, dim]);
  const available = hostTensor(new Float32Array(batch).fill(1), [batch]);
  const labels = hostTensor(
    Int32Array.from({ length: batch }, () => random.integer(CLASSES)),
    [batch],
  );
  const learn = async (number: number): Promise<HostTensor> => {
    const { image, text } = inputs[number % inputs.length] as Host<Inputs>;
    const batch: Host<EncodedBatchInputs> = {
      image: { available, ...(encoders.image === undefined ? { features } : { contents: image }) },
      text: { available, ...(encoders.text === undefined ? { features } : { contents: text }) },
    };
    const { observations, total } = await program.learn({
      batch,
      labels,
      memory: memory.inputs(),
      schedule: stepSchedule(number, 10_000, RATES, ADAMW_DEFAULTS),
    });
    memory.update(observations);
    return total;
  };
  return {
    call: async (number) => (await learn(number)).data[0] as number,
    compute: async (number) => ({ loss: await learn(number) }),
    readTrained: async () => (await program.readState()).parameters.trained,
    dispose: () => program.dispose(),
  };
}

/** Judging one post after another: both encoders of random weights, and the prediction of DRF over them. */
export async function createPredictWorkload(engine: Engine, sizes: EncoderSizes): Promise<EncoderWorkload> {
  const random = createRandom(0);
  const single = { ...sizes, batch: 1 };
  const method = withEncoders(headOf(single), encodersOf('both', random, single));
  type Constants = { readonly parameters: MethodParameters; readonly memory: TensorTree };
  type Given = { readonly batch: EncodedBatchInputs };
  const program = await engine.prepare<Constants, Given, { readonly logits: tf.Tensor }>(
    ({ parameters, memory }, { batch }) => {
      const { logits } = method.predict(parameters, batch, memory);
      return { logits };
    },
    { parameters: method.initialParameters(random.fork('head')), memory: method.createMemory().inputs() },
  );
  const { image, text } = inputsOf(random.fork('inputs'), single);
  const available = hostTensor([1], [1]);
  const compute = (): Promise<{ readonly logits: HostTensor }> =>
    program.run({ batch: { image: { available, contents: image }, text: { available, contents: text } } });
  return {
    call: async () => sumOfFirst(await compute()),
    compute,
    readTrained: async () => ({}),
    dispose: () => program.dispose(),
  };
}

/**
 * Encoders of random weights on an engine, their forward pass or a fine-tuning step under DRF.
 * @param lengths tokens of the texts, from call to call in turns
 */
export async function createEncoderWorkload(
  engine: Engine,
  part: (typeof PARTS)[number],
  mode: (typeof MODES)[number],
  sizes: EncoderSizes,
  lengths: readonly number[] = [sizes.length],
): Promise<EncoderWorkload> {
  const random = createRandom(0);
  const encoders = encodersOf(part, random, { ...sizes, length: Math.max(...lengths) });
  const inputs = lengths.map((length) => inputsOf(random.fork(`inputs ${length}`), { ...sizes, length }));
  return mode === 'forward' ? forward(engine, encoders, inputs) : stepWorkload(engine, encoders, inputs, sizes, random);
}

import type * as tf from '@tensorflow/tfjs';
import { addLora, type DropoutRates, type TransformerOptions } from '@drf/layers';
import {
  ConfigurationError,
  createRandom,
  type Engine,
  type Features,
  type Host,
  type HostTensor,
  type HostTree,
  mapAhead,
  type ProductType,
  type Program,
  type RgbImage,
  type TensorTree,
} from '@drf/tensor';
import { copyRows, dynamicAxesOf, emptyRows, LARGEST_BATCH } from '../batches.js';
import {
  type EncoderSplit,
  type FrozenEncoder,
  type ImageEncoder,
  type Pooling,
  type TextEncoder,
  type TokenFeatures,
  type TokenTensors,
  type TrainableEncoder,
  type TrainableImageEncoder,
  type TrainableTextEncoder,
  UseGuard,
} from '../contract.js';
import {
  applyModel,
  type EncoderModel,
  type ImageModel,
  type LayerStates,
  type ModelOutputs,
  type TextModel,
} from './models.js';
import { type ExactRows, exactRows } from './exact-rows.js';
import type { TrainableOptions } from './open-model.js';

type Runner = Program<TensorTree, ModelOutputs>;

/** Some of the contents, and what the model says of them. */
interface ComputedPiece {
  readonly places: readonly number[];
  readonly outputs: Host<ModelOutputs>;
}

/** How many batches of texts are looked at together, so that those of one length find each other. */
const BATCHES_OF_TEXTS = 16;
/** How many batches of images go into a call, for each that is computed at once: the last of them has nothing beside it. */
const BATCHES_OF_IMAGES = 4;

class FrozenTransformer<Content, Model extends EncoderModel<Content>> implements FrozenEncoder<Content> {
  readonly trainable = false;
  readonly id: string;
  readonly modality;
  readonly outputDim: number;
  readonly tokenDim: number;
  readonly preferredBatch: number;
  private readonly guard: UseGuard;
  private readonly atOnce: number;

  constructor(
    protected readonly model: Model,
    private readonly runner: Runner,
    private readonly exact: ExactRows,
  ) {
    this.id = model.id;
    this.modality = model.modality;
    this.outputDim = model.outputDim;
    this.tokenDim = model.tokenDim;
    const { parallelRuns = 1 } = runner;
    this.atOnce = parallelRuns;
    this.preferredBatch =
      LARGEST_BATCH * (model.modality === 'text' ? BATCHES_OF_TEXTS : BATCHES_OF_IMAGES * parallelRuns);
    this.guard = new UseGuard(`Hugging Face ${model.modality} encoder`);
  }

  get isBatchInvariant(): boolean {
    return this.exactProducts.inBatches;
  }

  async preprocess(contents: readonly Content[]): Promise<HostTree> {
    this.check(contents);
    return this.model.preprocess(contents);
  }

  async encode(contents: readonly Content[]): Promise<HostTensor> {
    this.check(contents);
    const rows = emptyRows(contents.length, this.outputDim);
    for await (const { places, outputs } of this.computed(contents)) {
      copyRows(rows, outputs.features, places);
    }
    return rows;
  }

  async encodeTokens(contents: readonly Content[]): Promise<TokenFeatures> {
    this.check(contents);
    const parts: ComputedPiece[] = [];
    for await (const part of this.computed(contents)) parts.push(part);
    const length = Math.max(0, ...parts.map(({ outputs }) => outputs.mask.shape[1] as number));
    const tokens = emptyRows(contents.length, length, this.tokenDim);
    const mask = emptyRows(contents.length, length);
    const pieces = new Int32Array(contents.length * length);
    for (const { places, outputs } of parts) {
      copyRows(tokens, outputs.tokens, places);
      copyRows(mask, outputs.mask, places);
      const ids = outputs.pieces;
      const width = ids?.shape[1] ?? 0;
      places.forEach((place, row) =>
        pieces.set(ids?.data.subarray(row * width, (row + 1) * width) ?? [], place * length),
      );
    }
    return this.modality === 'text'
      ? { tokens, mask, pieces: { dtype: 'int32', shape: mask.shape, data: pieces } }
      : { tokens, mask };
  }

  async warmUp(): Promise<void> {
    this.guard.assertUsable();
    await this.runner.warmUp?.(await this.model.preprocess([this.model.example]));
  }

  async dispose(): Promise<void> {
    if (this.guard.dispose()) await this.runner.dispose();
  }

  private get exactProducts(): ExactRows['oneGraph'] {
    return this.runner.hasOneGraph === true ? this.exact.oneGraph : this.exact.eachSize;
  }

  private check(contents: readonly Content[]): void {
    this.guard.assertUsable();
    this.model.assertContents(contents);
  }

  private computed(contents: readonly Content[]): AsyncGenerator<ComputedPiece> {
    const alone = this.exactProducts.alone && contents.length === 1;
    const ahead = this.atOnce + 1; // while some are computed, the next one is prepared
    return mapAhead(
      this.model.pieces(contents, this.atOnce, this.runner.hasOneGraph === false),
      ahead,
      async ({ places, inputs }) => {
        return { places, outputs: await this.runner.run(await inputs(), { alone }) };
      },
    );
  }
}

class FrozenText extends FrozenTransformer<string, TextModel> implements TextEncoder {
  readonly maskToken = this.model.maskToken;
}

/** Lets an engine run a model, several batches at once. */
async function prepare<Content>(
  model: EncoderModel<Content>,
  parameters: HostTree,
  engine: Engine,
  products: ProductType | undefined,
): Promise<Runner> {
  return engine.prepare<TensorTree, TensorTree, ModelOutputs>(
    (constants, inputs) => applyModel(model, constants, inputs),
    parameters,
    { products, parallel: true, dynamicAxes: dynamicAxesOf(model) },
  );
}

/** An image encoder that an engine runs. */
export async function frozenImageEncoder(
  model: ImageModel,
  parameters: HostTree,
  engine: Engine,
  products?: ProductType,
): Promise<ImageEncoder> {
  const runner = await prepare(model, parameters, engine, products);
  const exact = await exactRows(engine, parameters, products, runner.parallelRuns);
  return new FrozenTransformer<RgbImage, ImageModel>(model, runner, exact);
}

/** A text encoder that an engine runs. */
export async function frozenTextEncoder(
  model: TextModel,
  parameters: HostTree,
  engine: Engine,
  products?: ProductType,
): Promise<TextEncoder> {
  const runner = await prepare(model, parameters, engine, products);
  return new FrozenText(model, runner, await exactRows(engine, parameters, products, runner.parallelRuns));
}

const LAYER = /^layers\.(\d+)\./;
const LORA_LEAF = /\.lora(?:Down|Up)$/;
/** What comes after the last layer. */
const AFTER_LAYERS = /^(?:norm|pooler)\./;

/**
 * Which parameters of a transformer get gradients. A pooler that the features are not taken from never does.
 * @param layers how many the model has
 * @throws ConfigurationError when more layers are to be trained than there are
 */
function trainedParameters(
  layers: number,
  pooling: Pooling,
  { trainableLayers = 'all', lora }: Pick<TrainableOptions, 'trainableLayers' | 'lora'>,
): (flatName: string) => boolean {
  if (lora !== undefined) return (name) => LORA_LEAF.test(name);
  const isUsed = (name: string): boolean => pooling === 'pooler' || !name.startsWith('pooler.');
  if (trainableLayers === 'all') return isUsed;
  if (trainableLayers > layers) {
    throw new ConfigurationError({
      subject: 'Hugging Face encoder, trainableLayers,',
      expected: `at most ${layers}, the layers of the model`,
      received: String(trainableLayers),
      remedy: 'use "all" to train the embeddings, too',
    });
  }
  const first = layers - trainableLayers;
  return (name) => {
    const layer = LAYER.exec(name)?.[1];
    if (layer !== undefined) return Number(layer) >= first;
    return trainableLayers > 0 && AFTER_LAYERS.test(name) && isUsed(name);
  };
}

/** What comes before the first layer, and which nothing after it reads. */
const BEFORE_LAYERS = /^embeddings\./;

/** How many contents a step of a large model handles best, where memory allows. */
const PREFERRED_BATCH = 16;

class TransformerEncoder<Content, Model extends EncoderModel<Content>> implements TrainableEncoder<Content> {
  readonly trainable = true;
  readonly preferredBatch = PREFERRED_BATCH;
  readonly id: string;
  readonly modality;
  readonly outputDim: number;
  readonly tokenDim: number;
  readonly tokenCount: number;
  readonly initialParameters: HostTree;
  readonly isTrained: (flatName: string) => boolean;
  readonly split?: EncoderSplit;
  private readonly options: TransformerOptions;
  private readonly rates: DropoutRates;
  private readonly guard: UseGuard;

  constructor(
    protected readonly model: Model,
    parameters: HostTree,
    { lora, recompute, trainableLayers, dropout, random = createRandom(0) }: TrainableOptions,
  ) {
    const { rank, alpha, targets } = lora ?? {};
    this.id =
      lora === undefined ? model.id : `${model.id}:lora-${rank}-${alpha}-${[...(targets ?? [])].sort().join('+')}`;
    this.modality = model.modality;
    this.outputDim = model.outputDim;
    this.tokenDim = model.tokenDim;
    this.tokenCount = model.tokenCount;
    this.isTrained = trainedParameters(model.layers, model.pooling, { trainableLayers, lora });
    this.initialParameters = lora === undefined ? parameters : addLora(parameters, lora, random);
    this.options = { ...(lora === undefined ? {} : { lora }), ...(recompute === undefined ? {} : { recompute }) };
    this.rates = dropout === undefined ? model.dropout : { hidden: dropout, attention: dropout };
    this.guard = new UseGuard(`Hugging Face ${model.modality} encoder`);
    const layer =
      lora === undefined && typeof trainableLayers === 'number' ? model.layers - trainableLayers : undefined;
    if (layer !== undefined) this.split = this.splitAt(layer);
  }

  async preprocess(contents: readonly Content[]): Promise<HostTree> {
    this.guard.assertUsable();
    return this.model.preprocess(contents);
  }

  apply(parameters: TensorTree, inputs: TensorTree): Features {
    return this.applyTokens(parameters, inputs).features;
  }

  applyTokens(parameters: TensorTree, inputs: TensorTree): TokenTensors {
    const { split } = this;
    if (split === undefined) return applyModel(this.model, parameters, inputs, this.optionsFor(inputs));
    const { dropout } = inputs;
    return split.upperTokens(parameters, {
      ...split.lower(parameters, inputs),
      ...(dropout === undefined ? {} : { dropout }),
    });
  }

  /** What is not trained drops nothing, so that its outputs are the same in every step. */
  private splitAt(layer: number): EncoderSplit {
    const { model } = this;
    const upperTokens = (parameters: TensorTree, states: TensorTree): TokenTensors =>
      model.upper(parameters, states as LayerStates, layer, this.optionsFor(states));
    return {
      layer,
      dynamicAxes: dynamicAxesOf(model),
      lower: (parameters, inputs) => model.lower(parameters, inputs, layer),
      upper: (parameters, states) => upperTokens(parameters, states).features,
      upperTokens,
      isLower: (name) => BEFORE_LAYERS.test(name) || Number(LAYER.exec(name)?.[1] ?? layer) < layer,
    };
  }

  /** Values are dropped where a step's inputs have seeds for it. */
  private optionsFor({ dropout: seeds }: TensorTree): TransformerOptions {
    return seeds === undefined
      ? this.options
      : { ...this.options, dropout: { ...this.rates, seeds: seeds as tf.Tensor } };
  }

  async dispose(): Promise<void> {
    this.guard.dispose();
  }
}

class TransformerTextEncoder extends TransformerEncoder<string, TextModel> implements TrainableTextEncoder {
  readonly maskToken = this.model.maskToken;
}

/** An image encoder that trains in a step. */
export function trainableImageEncoder(
  model: ImageModel,
  parameters: HostTree,
  options: TrainableOptions,
): TrainableImageEncoder {
  return new TransformerEncoder<RgbImage, ImageModel>(model, parameters, options);
}

/** A text encoder that trains in a step. */
export function trainableTextEncoder(
  model: TextModel,
  parameters: HostTree,
  options: TrainableOptions,
): TrainableTextEncoder {
  return new TransformerTextEncoder(model, parameters, options);
}

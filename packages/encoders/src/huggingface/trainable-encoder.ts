import type * as tf from '@tensorflow/tfjs';
import { createRandom, type Features, type HostTree, type RgbImage, type TensorTree } from '@drf/tensor';
import type { TokenTensors, TrainableEncoder, TrainableImageEncoder, TrainableTextEncoder } from '../contract.js';
import { addLora } from '@drf/layers';
import type { DropoutRates } from '@drf/layers';
import type { TransformerOptions } from '@drf/layers';
import { UseGuard } from '../use-guard.js';
import type { EncoderModel } from './encoder-model.js';
import type { ImageModel } from './image-model.js';
import type { TrainableOptions } from './options.js';
import type { TextModel } from './text-model.js';
import { trainedParameters } from './trained-parameters.js';

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
  }

  async preprocess(contents: readonly Content[]): Promise<HostTree> {
    this.guard.assertUsable();
    return this.model.preprocess(contents);
  }

  apply(parameters: TensorTree, inputs: TensorTree): Features {
    return this.model.apply(parameters, inputs, this.optionsFor(inputs)).features;
  }

  applyTokens(parameters: TensorTree, inputs: TensorTree): TokenTensors {
    return this.model.apply(parameters, inputs, this.optionsFor(inputs));
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

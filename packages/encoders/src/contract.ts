import {
  ConfigurationError,
  type DynamicAxisName,
  type Features,
  type HostTensor,
  type HostTree,
  type Modality,
  type Named,
  type RgbImage,
  type TensorTree,
} from '@drf/tensor';

/** What frozen and trainable encoders have in common. */
export interface EncoderDescription {
  /**
   * Decides the outputs: model, revision and version of the preprocessing. Two encoders of one id give the same
   * features for the same content, so the id is what a feature cache is keyed by.
   */
  readonly id: string;
  readonly modality: Modality;
  /** Width of the features. */
  readonly outputDim: number;
  /** Width of the token-level outputs, where the encoder has them. */
  readonly tokenDim?: number;
  /** The most tokens of a content, where the encoder has token-level outputs and trains in a step. */
  readonly tokenCount?: number;
  /** How a cache keeps the features; float32 when left out. With float16 the features are rounded to it already. */
  readonly storage?: 'float32' | 'float16';
  /** How many contents a call handles best, for callers that have many. */
  readonly preferredBatch?: number;
}

/**
 * Token-level outputs on the host: one row a token (a word piece, or a place of the image, row by row; what a model puts
 * before the places, such as a class token, is none of them).
 */
export interface TokenFeatures {
  /** float32 [batch, token, tokenDim]; rows of padding hold anything finite. */
  readonly tokens: HostTensor;
  /** float32 [batch, token]: 1 where a token stands, 0 for padding. */
  readonly mask: HostTensor;
  /** Of texts: the vocabulary's number of each word piece, int32 [batch, token]; anything where padding stands. */
  readonly pieces?: HostTensor;
}

/** {@link TokenFeatures} inside a step, with the features that come out of the same pass. */
export interface TokenTensors {
  /** [batch, outputDim], those of {@link TrainableEncoder.apply}. */
  readonly features: Features;
  readonly tokens: Named<['batch', 'token', 'dim']>;
  readonly mask: Named<['batch', 'token']>;
  /** Of texts: as in {@link TokenFeatures}. */
  readonly pieces?: Named<['batch', 'token']>;
}

/**
 * A pretrained encoder that is not trained further. It is deterministic, and a content's feature does not depend on
 * what else is in the batch (up to 1e-5), so features can be computed once and cached.
 */
export interface FrozenEncoder<Content> extends EncoderDescription {
  readonly trainable: false;
  /**
   * Whether features do not even differ in their last bits with what else is in the batch, and a batch takes less time
   * than its contents one by one: judges then encode contents of several callers together. Default false.
   */
  readonly isBatchInvariant?: boolean;
  /**
   * Contents as the numbers that the model reads, rows in the order of the contents.
   * @throws DataError naming the place of a content that cannot be used
   */
  preprocess(contents: readonly Content[]): Promise<HostTree>;
  /**
   * Features, float32 [contents, outputDim], rows in the order of the contents; [0, outputDim] for none.
   * @throws DataError naming the place of a content that cannot be used; ConfigurationError after disposal
   */
  encode(contents: readonly Content[]): Promise<HostTensor>;
  /** Token-level outputs, where the encoder has them. */
  encodeTokens?(contents: readonly Content[]): Promise<TokenFeatures>;
  /** Prepares what the first contents would otherwise wait for; before any contents. */
  warmUp?(): Promise<void>;
  /** Frees what the encoder holds; may be repeated. The engine that it was made with stays. */
  dispose(): Promise<void>;
}

/**
 * An encoder whose lower layers are frozen, as two pure functions: `upper(parameters, lower(parameters, inputs))` is
 * {@link TrainableEncoder.apply} to the bit, so what stands between them may be computed once and kept.
 */
export interface EncoderSplit {
  /** Layers below this one are frozen, and so are the embeddings. */
  readonly layer: number;
  /**
   * Everything below the first trained layer; drops nothing, in training neither. `states` [batch, token, dim], and all
   * that the upper part needs beside parameters: `mask` float32 and `ids` int32 [batch, token] of texts.
   */
  lower(parameters: TensorTree, inputs: TensorTree): TensorTree;
  /** The features [batch, outputDim]. With `dropout` among the states, values are dropped as in training. */
  upper(parameters: TensorTree, states: TensorTree): Features;
  /** One pass for both, as {@link TrainableEncoder.applyTokens}. */
  upperTokens(parameters: TensorTree, states: TensorTree): TokenTensors;
  /**
   * Axes of the inputs on whose sizes {@link EncoderSplit.lower} depends through shapes alone, as `dynamicAxes` of an engine's
   * `prepare` wants it: the states of texts of all lengths are then computed by one graph. Default none.
   */
  readonly dynamicAxes?: readonly DynamicAxisName[];
  /** Whether only {@link EncoderSplit.lower} reads a leaf of the parameters, by flat name. */
  isLower(flatName: string): boolean;
}

/**
 * An encoder that trains under the head, in the same step: a pure function over a parameter tree. `preprocess` makes
 * the step's inputs from contents, on the host; `apply` runs inside the step and must be pure.
 */
export interface TrainableEncoder<Content> extends EncoderDescription {
  readonly trainable: true;
  /** Pretrained (or freshly initialized) parameters; part of the step's state from there on. */
  readonly initialParameters: HostTree;
  /**
   * Whether a leaf of {@link TrainableEncoder.initialParameters} (by flat name) gets gradients. The others (frozen
   * layers, the base under low-rank updates) stay as they are: a step needs no optimizer state for them.
   */
  isTrained(flatName: string): boolean;
  /** Contents to the inputs of {@link TrainableEncoder.apply}, on the host. @throws DataError naming the place of a content that cannot be used */
  preprocess(contents: readonly Content[]): Promise<HostTree>;
  /**
   * The features [batch, outputDim]; pure. With `dropout` among the inputs, int32 [batch, 4] ({@link dropoutSeeds}), values
   * are dropped as in training, in trained layers alone; where an encoder has none, it does not look at them.
   */
  apply(parameters: TensorTree, inputs: TensorTree): Features;
  /** One pass for both: the features, and those of single tokens [batch, token, tokenDim] with their mask; pure. */
  applyTokens?(parameters: TensorTree, inputs: TensorTree): TokenTensors;
  /** Where the lower layers are frozen (`trainableLayers` is a number): both parts by themselves. */
  readonly split?: EncoderSplit;
  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void>;
}

/** Discriminated by `trainable`. */
export type Encoder<Content> = FrozenEncoder<Content> | TrainableEncoder<Content>;

/** What encoders of texts have beside. */
export interface TextReader {
  /**
   * What a masked word should be replaced by for this encoder: the mask token of its own tokenizer (`[MASK]`,
   * `<mask>`), which reads it as that token anywhere in a text; `[MASK]` where the tokenizer has none.
   */
  readonly maskToken: string;
}

/** A frozen encoder of images. */
export type ImageEncoder = FrozenEncoder<RgbImage>;
/** A frozen encoder of texts. */
export type TextEncoder = FrozenEncoder<string> & TextReader;
/** An encoder of images that trains under the head. */
export type TrainableImageEncoder = TrainableEncoder<RgbImage>;
/** An encoder of texts that trains under the head. */
export type TrainableTextEncoder = TrainableEncoder<string> & TextReader;

/** The mask of encoders whose tokenizer has no token for it. */
export const DEFAULT_MASK_TOKEN = '[MASK]';

/** How a model's outputs become one feature. */
export const POOLINGS = [
  'mean',
  'cls',
  'pooler',
  'max',
  'mean_sqrt_len',
  'weightedmean',
  'lasttoken',
  'cls_mean',
] as const;
/**
 * Out of the last hidden states (without padding): their `mean`, the first (`cls`), the greatest value of each place
 * (`max`), their sum over the root of their number (`mean_sqrt_len`), their mean weighted by 1, 2, 3 … (`weightedmean`),
 * the last (`lasttoken`); of vision transformers also the class token and the mean of the patches, one after the other
 * (`cls_mean`); or the model's own pooled output, projected where the model projects it (`pooler`). Default: what the
 * files of sentence-transformers say, else the model's own embedding where it is made for one (CLIP, SigLIP), else `cls`
 * for images and `mean` for texts.
 */
export type Pooling = (typeof POOLINGS)[number];

/** Refuses work after disposal, and lets disposal be repeated. */
export class UseGuard {
  private disposed = false;

  constructor(private readonly subject: string) {}

  /** @throws ConfigurationError after {@link UseGuard.dispose}. */
  assertUsable(): void {
    if (!this.disposed) return;
    throw new ConfigurationError({
      subject: this.subject,
      expected: 'to be used before it is disposed',
      received: 'a call after dispose()',
      remedy: 'open the encoder again',
    });
  }

  /** Returns true the first time. */
  dispose(): boolean {
    const first = !this.disposed;
    this.disposed = true;
    return first;
  }
}

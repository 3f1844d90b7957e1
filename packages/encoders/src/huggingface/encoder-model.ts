import type { Features, HostTree, Modality, Named, TensorTree } from '@drf/tensor';
import type { DropoutRates } from '@drf/layers';
import type { TransformerOptions } from '@drf/layers';
import type { Pooling } from '../transformers/options.js';

/** What a model says of a batch; a type alias, so that it is a tree of tensors. */
export type ModelOutputs = {
  readonly features: Features;
  /** Word pieces, or places of an image row by row, without the class token. */
  readonly tokens: Named<['batch', 'token', 'dim']>;
  /** 1 where a token stands. */
  readonly mask: Named<['batch', 'token']>;
  /** Of texts: int32, the number of each word piece. */
  readonly pieces?: Named<['batch', 'token']>;
};

/**
 * A transformer with its preprocessing, before it is decided how it runs. Its parameters, which may be large, lie
 * elsewhere.
 */
export interface EncoderModel<Content> {
  readonly modality: Modality;
  /** Follows weights, configuration, preprocessing and pooling. */
  readonly id: string;
  readonly outputDim: number;
  readonly tokenDim: number;
  /** The most tokens of a content. */
  readonly tokenCount: number;
  readonly layers: number;
  readonly pooling: Pooling;
  /** In training, as the model's configuration says. */
  readonly dropout: DropoutRates;
  /** @throws DataError naming the place of a content that cannot be used */
  assertContents(contents: readonly Content[]): void;
  /** Contents that go into one batch of one shape. */
  preprocess(contents: readonly Content[]): Promise<HostTree>;
  /** Cuts contents into pieces of few shapes, for a frozen encoder. */
  pieces(contents: readonly Content[]): Iterable<Piece>;
  apply(parameters: TensorTree, inputs: TensorTree, options?: TransformerOptions): ModelOutputs;
}

/** Some of the contents, as inputs of one shape whose last rows may be padding. */
export interface Piece {
  /** Which contents. */
  readonly places: readonly number[];
  inputs(): Promise<HostTree>;
}

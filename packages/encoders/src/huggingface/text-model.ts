import type * as tf from '@tensorflow/tfjs';
import { named, type HostTree, type TensorTree } from '@drf/tensor';
import { applyBert, type BertInputs } from '../bert/apply.js';
import type { BertConfig } from '../bert/config.js';
import { assertTexts } from '../embedded/sentence-tokenizer.js';
import type { DropoutRates } from '@drf/layers';
import type { TransformerOptions } from '@drf/layers';
import type { Pooling } from '../transformers/options.js';
import { paddedPieces } from './batch-pieces.js';
import type { EncoderModel, ModelOutputs, Piece } from './encoder-model.js';
import { padTexts } from './pad-texts.js';
import { poolTokens, toUnitLength } from './pool-tokens.js';
import { lengthFor } from './text-lengths.js';
import type { TextTokenizer } from './text-tokenizer.js';

/** A text encoder with the tokenizer that came with it. */
export class TextModel implements EncoderModel<string> {
  readonly modality = 'text';
  readonly outputDim: number;
  readonly tokenDim: number;
  readonly tokenCount: number;
  readonly layers: number;
  readonly dropout: DropoutRates;
  readonly maskToken: string;

  constructor(
    readonly id: string,
    readonly pooling: Pooling,
    private readonly config: BertConfig,
    private readonly tokenizer: TextTokenizer,
    private readonly lengths: readonly number[],
    /** Features at length 1. */
    private readonly normalizes: boolean,
  ) {
    this.tokenDim = config.hiddenSize;
    this.tokenCount = lengths.at(-1) as number;
    this.outputDim = config.hiddenSize;
    this.layers = config.layers;
    this.dropout = config.dropout;
    this.maskToken = tokenizer.maskToken;
  }

  assertContents(texts: readonly string[]): void {
    assertTexts(texts);
  }

  async preprocess(texts: readonly string[]): Promise<HostTree> {
    const lists = this.tokenize(texts);
    const longest = Math.max(0, ...lists.map((list) => list.length));
    return padTexts(lists, lists.length, lengthFor(longest, this.lengths), this.config.paddingId);
  }

  *pieces(texts: readonly string[]): Generator<Piece> {
    const lists = this.tokenize(texts);
    for (const length of this.lengths) {
      const own = [...lists.keys()].filter((i) => lengthFor((lists[i] as number[]).length, this.lengths) === length);
      for (const { places, rows } of paddedPieces(own)) {
        const inputs = async (): Promise<HostTree> =>
          padTexts(
            places.map((place) => lists[place] as number[]),
            rows,
            length,
            this.config.paddingId,
          );
        yield { places, inputs };
      }
    }
  }

  apply(parameters: TensorTree, inputs: TensorTree, options?: TransformerOptions): ModelOutputs {
    const outputs = applyBert(this.config, parameters, inputs as BertInputs, options);
    const mask = inputs['mask'] as tf.Tensor;
    const features = poolTokens(this.pooling, outputs, mask);
    return {
      features: this.normalizes ? toUnitLength(features) : features,
      tokens: outputs.tokens,
      mask: named(mask, ['batch', 'token']),
      pieces: named(inputs['ids'] as tf.Tensor, ['batch', 'token']),
    };
  }

  private tokenize(texts: readonly string[]): number[][] {
    this.assertContents(texts);
    const most = this.lengths.at(-1) as number;
    return texts.map((text) => this.tokenizer.encode(text, most));
  }
}

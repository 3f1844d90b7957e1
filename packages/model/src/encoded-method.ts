import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  ConfigurationError,
  type Features,
  type HostTree,
  type PerPost,
  type TensorTree,
} from '@drf/tensor';
import type { BatchInputs, Method, TokenInputs } from './method.js';
import { isTrainedByDefault } from './trained.js';

/** What one pass of an encoder gives: the features [batch, outputDim], and those of single tokens. */
export type EncodedTokens = TokenInputs & { readonly features: Features };

/** What a step needs of an encoder: a trainable one of `@drf/encoders` fits. */
export interface StepEncoder {
  /** Width of the features. */
  readonly outputDim: number;
  /** Pretrained or fresh; they become `encoders.image` or `encoders.text` of the method's parameters. */
  readonly initialParameters: HostTree;
  /** Which of its parameters get gradients; left out: all. */
  isTrained?(flatName: string): boolean;
  /** Pure. [batch, outputDim] */
  apply(parameters: TensorTree, inputs: TensorTree): Features;
  /** Pure; for methods that read tokens, in place of `apply`. */
  applyTokens?(parameters: TensorTree, inputs: TensorTree): EncodedTokens;
}

/** The modalities whose encoders run inside the step; the other's features come ready-made. */
export interface StepEncoders {
  readonly image?: StepEncoder | undefined;
  readonly text?: StepEncoder | undefined;
}

/**
 * What stands for a modality: features [batch, dim], or the tree that its encoder reads (pixels; token ids and mask).
 * A missing modality's row must hold finite numbers where an encoder reads it; they influence nothing.
 */
export type EncodedBatchInputs = {
  readonly image: tf.Tensor | TensorTree;
  readonly text: tf.Tensor | TensorTree;
  readonly imageAvailable: PerPost;
  readonly textAvailable: PerPost;
  /** Ready-made tokens of a modality without an encoder, for methods that read them. */
  readonly imageTokens?: TokenInputs;
  readonly textTokens?: TokenInputs;
};

const MODALITIES = ['image', 'text'] as const;

/**
 * A method with encoders under it, as one method: its parameters are those of the method and, beside them,
 * `encoders.image` and `encoders.text` of the encoders given. The method itself does not change, and gradients reach
 * the encoders through the features (and tokens, where it reads them: both of one pass). Features of missing modalities
 * are set to zero, so that their rows reach no output and send no gradient back.
 */
export function withEncoders(method: Method, encoders: StepEncoders): Method<EncodedBatchInputs> {
  const present = MODALITIES.filter((modality) => encoders[modality] !== undefined);
  const features = (parameters: TensorTree, batch: EncodedBatchInputs): BatchInputs => {
    const trees = parameters.encoders as TensorTree | undefined;
    const encoded = present.flatMap((modality): (readonly [string, tf.Tensor | TokenInputs])[] => {
      const encoder = encoders[modality] as StepEncoder;
      const { features: outputs, tokens } = encode(modality, trees?.[modality] as TensorTree, batch[modality] as TensorTree); // prettier-ignore
      assertShape(`${modality} encoder`, outputs, ['*', encoder.outputDim], "check the encoder's outputDim");
      const isPresent = tf.greater(tf.expandDims(batch[`${modality}Available`], 1), 0); // [batch, 1]
      const present = tf.where(isPresent, outputs, tf.zerosLike(outputs));
      return [[modality, present], ...(tokens === undefined ? [] : [[`${modality}Tokens`, tokens] as const])];
    });
    return { ...batch, ...Object.fromEntries(encoded) } as unknown as BatchInputs;
  };
  const encode = (
    modality: 'image' | 'text',
    parameters: TensorTree,
    inputs: TensorTree,
  ): { readonly features: Features; readonly tokens?: TokenInputs } => {
    const encoder = encoders[modality] as StepEncoder;
    if (method.needs?.tokens !== true) return { features: encoder.apply(parameters, inputs) };
    if (encoder.applyTokens === undefined) throw withoutTokens(method.id, modality);
    const { features, ...tokens } = encoder.applyTokens(parameters, inputs);
    return { features, tokens };
  };
  return {
    id: method.id,
    ...(method.needs === undefined ? {} : { needs: method.needs }),
    initialParameters: (random) => ({
      ...method.initialParameters(random),
      encoders: Object.fromEntries(
        present.map((modality) => [modality, (encoders[modality] as StepEncoder).initialParameters]),
      ),
    }),
    isTrained: (flatName) => {
      const [, modality, own] = /^encoders\.(image|text)\.(.+)$/.exec(flatName) ?? [];
      if (own === undefined) return (method.isTrained ?? isTrainedByDefault)(flatName);
      return encoders[modality as 'image' | 'text']?.isTrained?.(own) ?? true;
    },
    createMemory: () => method.createMemory(),
    predict: (parameters, batch, memory) => method.predict(parameters, features(parameters, batch), memory),
    loss: (parameters, batch, labels, memory) => method.loss(parameters, features(parameters, batch), labels, memory),
  };
}

function withoutTokens(method: string, modality: 'image' | 'text'): ConfigurationError {
  return new ConfigurationError({
    subject: `Method ${method}`,
    expected: `token-level outputs of the ${modality} encoder`,
    received: 'an encoder without applyTokens',
    remedy: 'choose another encoder, or the method drf or concatenation',
  });
}

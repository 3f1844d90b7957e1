import * as tf from '@tensorflow/tfjs';
import {
  assertShape,
  byModality,
  ConfigurationError,
  mergeTrees,
  MODALITIES,
  flattenTree,
  named,
  partitionTree,
  type ByModality,
  type Features,
  type Host,
  type HostTensor,
  type HostTree,
  type Modality,
  type TensorTree,
  type Tree,
} from '@drf/tensor';
import type { BatchInputs, Method, MethodParameters, ModalityInputs, TokenInputs } from './method.js';

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
  /**
   * Frozen parameters of what lies below it, whose outputs are its inputs: no step reads them, and checkpoints count them
   * among its fixed ones, as they would if it were whole.
   */
  readonly beneath?: HostTree;
  /** Pure. [batch, outputDim] */
  apply(parameters: TensorTree, inputs: TensorTree): Features;
  /** Pure; for methods that read tokens, in place of `apply`. */
  applyTokens?(parameters: TensorTree, inputs: TensorTree): EncodedTokens;
}

/** The modalities whose encoders run inside the step; the other's features come ready-made. */
export type StepEncoders = { readonly [M in Modality]?: StepEncoder | undefined };

/**
 * What stands for a modality whose encoder runs inside the step: the tree that it reads (pixels; token ids and mask).
 * A missing modality's row must hold finite numbers; they influence nothing.
 */
export type ContentInputs = Omit<ModalityInputs, 'features' | 'tokens'> & { readonly contents: TensorTree };

/** A batch of which each modality comes as features or as the contents that its encoder reads. */
export type EncodedBatchInputs = ByModality<ModalityInputs | ContentInputs>;

/** A method that may have encoders under it. */
export interface EncodedMethod extends Method<MethodParameters, TensorTree, TensorTree, EncodedBatchInputs> {
  /** Parameters {@link StepEncoder.beneath} its encoders, `encoders.image` and `encoders.text`. */
  readonly beneath?: HostTree;
}

/** All parameters of a method, as checkpoints know them, out of those that its steps read. */
export function wholeParameters(
  { beneath }: EncodedMethod,
  parameters: Host<MethodParameters>,
): Host<MethodParameters> {
  if (beneath === undefined) return parameters;
  return { trained: parameters.trained, fixed: mergeTrees(parameters.fixed ?? {}, beneath) };
}

/** The inverse of {@link wholeParameters}. */
export function stepParameters({ beneath }: EncodedMethod, whole: Host<MethodParameters>): Host<MethodParameters> {
  if (beneath === undefined || whole.fixed === undefined) return whole;
  const names = new Set(flattenTree<HostTensor>(beneath).keys());
  const [fixed] = partitionTree(whole.fixed, (name) => !names.has(name));
  return { trained: whole.trained, ...(Object.keys(fixed).length === 0 ? {} : { fixed }) };
}

/** Parameters of the encoders under a method, beside its own. */
type EncoderParameters = { readonly encoders?: Partial<ByModality<TensorTree>> };
type ParametersOverEncoders = MethodParameters<TensorTree & EncoderParameters, TensorTree & EncoderParameters>;

/**
 * A method with encoders under it, as one method: its parameters are those of the method and, beside them,
 * `encoders.image` and `encoders.text` of the encoders given, trained and fixed ones apart. The method itself does not
 * change, and gradients reach the encoders through the features (and tokens, where it reads them: both of one pass).
 * Encoders of modalities that the method does not read are left out, with what lies beneath them. Features of missing
 * modalities are set to zero, so that their rows reach no output and send no gradient back.
 */
export function withEncoders(method: Method, encoders: StepEncoders): EncodedMethod {
  const readsTokens = method.needs?.tokens === true;
  const reads = method.needs?.reads ?? MODALITIES;
  const encode = (
    modality: Modality,
    parameters: TensorTree,
    contents: TensorTree,
  ): { readonly features: Features; readonly tokens?: TokenInputs } => {
    const encoder = encoders[modality];
    if (encoder === undefined) throw without(method.id, `an encoder of ${modality}s, whose contents are given`, 'none');
    if (!readsTokens) return { features: encoder.apply(parameters, contents) };
    if (encoder.applyTokens === undefined)
      throw without(method.id, `token-level outputs of the ${modality} encoder`, 'an encoder without applyTokens');
    const { features, ...tokens } = encoder.applyTokens(parameters, contents);
    return { features, tokens };
  };
  const featuresOf = ({ trained, fixed }: ParametersOverEncoders, batch: EncodedBatchInputs): BatchInputs =>
    byModality((modality): ModalityInputs => {
      const inputs = batch[modality];
      if ('features' in inputs) return inputs;
      const { contents, ...known } = inputs;
      if (!reads.includes(modality)) {
        const nothing = tf.zeros([known.available.shape[0], 1]);
        return { ...known, features: named(nothing, ['batch', 'width']) };
      }
      const parameters = mergeTrees(trained.encoders?.[modality] ?? {}, fixed?.encoders?.[modality] ?? {});
      const { features, ...tokens } = encode(modality, parameters, contents);
      assertShape(`${modality} encoder`, features, ['*', encoders[modality]?.outputDim ?? '*'], "check the encoder's outputDim"); // prettier-ignore
      const isPresent = tf.greater(tf.expandDims(known.available, 1), 0); // [batch, 1]
      const present = tf.where(isPresent, features, tf.zerosLike(features));
      return { ...known, ...tokens, features: named(present, ['batch', 'width']) };
    });
  const ofEncoders = (isTrained: boolean): { readonly encoders?: HostTree } => {
    const parts = MODALITIES.flatMap((modality) => {
      const encoder = encoders[modality];
      if (encoder === undefined || !reads.includes(modality)) return [];
      const [trained, fixed] = partitionTree(encoder.initialParameters, (name) => encoder.isTrained?.(name) ?? true);
      const part = isTrained ? trained : fixed;
      return Object.keys(part).length === 0 ? [] : [[modality, part] as const];
    });
    return parts.length === 0 ? {} : { encoders: Object.fromEntries(parts) };
  };
  const beneath = MODALITIES.flatMap((modality) => {
    const own = encoders[modality]?.beneath;
    return !reads.includes(modality) || own === undefined || Object.keys(own).length === 0
      ? []
      : [[modality, own] as const];
  });
  const over: Method<ParametersOverEncoders, TensorTree, TensorTree, EncodedBatchInputs> &
    Pick<EncodedMethod, 'beneath'> = {
    id: method.id,
    ...(beneath.length === 0 ? {} : { beneath: { encoders: Object.fromEntries(beneath) } }),
    ...(method.needs === undefined ? {} : { needs: method.needs }),
    initialParameters: (random) => {
      const { trained, fixed } = method.initialParameters(random);
      const allFixed = { ...fixed, ...ofEncoders(false) };
      return {
        trained: { ...trained, ...ofEncoders(true) },
        ...(Object.keys(allFixed).length === 0 ? {} : { fixed: allFixed }),
      };
    },
    createMemory: () => method.createMemory(),
    predict: (parameters, batch, memory) => method.predict(parameters, featuresOf(parameters, batch), memory),
    loss: (parameters, batch, labels, memory) => method.loss(parameters, featuresOf(parameters, batch), labels, memory),
  };
  return over;
}

/** A tree of parameters but for those of the encoders under a method. */
export function withoutEncoders<Leaf>(tree: Tree<Leaf>): Tree<Leaf> {
  return Object.fromEntries(Object.entries(tree).filter(([branch]) => branch !== 'encoders'));
}

function without(method: string, expected: string, received: string): ConfigurationError {
  return new ConfigurationError({
    subject: `Method ${method}`,
    expected,
    received,
    remedy: 'choose another encoder, or the method drf or concatenation',
  });
}

import type * as tf from '@tensorflow/tfjs';
import { join } from 'node:path';
import {
  applyBert,
  applyVit,
  bertTensors,
  fetchModel,
  loadBert,
  loadVit,
  longestText,
  vitTensors,
  type BertInputs,
  type FetchModelOptions,
  type TransformerOutputs,
} from '@drf/encoders';
import { readJson } from '@drf/files';
import type { HostTensor, HostTree, Modality, TensorTree } from '@drf/tensor';

interface ImageReading {
  readonly modality: 'image';
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

interface TextReading {
  readonly modality: 'text';
  /** Most tokens of a text. */
  readonly longest: number;
  /** Whether tokenizers of its family say the types of tokens. */
  readonly hasTypes: boolean;
}

/** A model as it lies in a folder: what of it does not depend on the parameters, and its own parameters. */
export interface EncoderSource {
  readonly name: string;
  readonly folder: string;
  /** `config.json` */
  readonly config: Readonly<Record<string, unknown>>;
  readonly modelType: string;
  readonly parameters: HostTree;
  readonly reads: ImageReading | TextReading;
  apply(parameters: TensorTree, inputs: Readonly<Record<string, tf.Tensor>>): TransformerOutputs;
  /** Parameters by their names in Hugging Face's files. */
  tensors(parameters: HostTree): ReadonlyMap<string, HostTensor>;
}

/**
 * Opens a model that is to be exported.
 * @param model a hub id or a folder
 * @throws as `openEncoder`
 */
export async function openEncoderSource(
  model: string,
  modality: Modality,
  options: FetchModelOptions,
): Promise<EncoderSource> {
  const { name, folder } = await fetchModel(model, options);
  const json = (await readJson(join(folder, 'config.json'))) as Record<string, unknown>;
  const common = { name, folder, config: json, modelType: String(json['model_type']) };
  if (modality === 'image') {
    const { config, parameters } = await loadVit(folder);
    return {
      ...common,
      parameters,
      reads: { modality, height: config.imageHeight, width: config.imageWidth, channels: config.channels },
      apply: (weights, { pixels }) => applyVit(config, weights, pixels as tf.Tensor),
      tensors: (weights) => vitTensors(weights, config),
    };
  }
  const { config, parameters } = await loadBert(folder);
  return {
    ...common,
    parameters,
    reads: { modality, longest: longestText(config), hasTypes: config.family === 'bert' && config.tokenTypes > 1 },
    apply: (weights, inputs) => applyBert(config, weights, inputs as BertInputs),
    tensors: (weights) => bertTensors(weights, config),
  };
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { readSafetensors } from '@drf/files';
import type { TransformerOptions, TransformerOutputs } from '@drf/layers';
import {
  type Engine,
  flattenTree,
  floatData,
  hostTensor,
  type HostTensor,
  type HostTree,
  type TensorTree,
  unflattenTree,
} from '@drf/tensor';
import { loadBert, loadVit } from '../huggingface/load-encoder.js';
import { applyBert, type BertInputs, bertParameters, bertTensors, lowerBert, upperBert } from '../models/bert.js';
import { parseBertConfig } from '../models/families.js';
import { applyVit, lowerVit, resizeVit, upperVit, vitParameters, vitTensors } from '../models/vit.js';
import { parseVitConfig } from '../models/families.js';
import { swapAxes } from '../models/weights.js';
import { maximumDifference } from './graph-model.js';

export type Tensors = ReadonlyMap<string, HostTensor>;

/** A model that transformers computed: see `fixtures/make-fixtures.py`. */
export interface Reference {
  readonly parameters: HostTree;
  /** Inputs of the encoder, and the factors of the loss. */
  readonly inputs: HostTree;
  readonly states: HostTensor;
  readonly pooled?: HostTensor;
  /** Gradients of the loss, in the tree of the parameters. */
  readonly gradients: HostTree;
  apply(parameters: TensorTree, inputs: TensorTree, options?: TransformerOptions): TransformerOutputs;
  /** The two parts of `apply`, below and from a layer on. */
  lower(parameters: TensorTree, inputs: TensorTree, layer: number): tf.Tensor;
  upper(parameters: TensorTree, states: tf.Tensor, inputs: TensorTree, layer: number): TransformerOutputs;
}

/** A file beside the fixtures' folders. */
export async function readFixture(name: string): Promise<unknown> {
  return JSON.parse(await readFile(fixturePath(name), 'utf8'));
}

export function fixturePath(...parts: readonly string[]): string {
  return join(fileURLToPath(new URL('../../fixtures', import.meta.url)), ...parts);
}

/** [batch, channel, height, width] → [batch, height, width, channel] */
function channelsLast({ data, shape }: HostTensor): HostTensor {
  const [batch, channels, height, width] = shape as [number, number, number, number];
  return hostTensor(swapAxes(data, shape, [0, 2, 3, 1]), [batch, height, width, channels]);
}

/** Whether a model reads images. Of those with two towers that of the texts is looked at, unless told otherwise. */
export function readsImages(config: unknown): boolean {
  return /^(vit|deit|dinov2.*|(clip|siglip)_vision_model)$/.test(
    String((config as Record<string, unknown>)['model_type']),
  );
}

/** The model that a folder's files describe, with whatever weights. */
export function modelOf(config: unknown, subject: string, isImage = readsImages(config)) {
  if (isImage) {
    const vit = parseVitConfig(config, subject);
    return {
      parameters: (tensors: Tensors) => vitParameters(tensors, vit, subject),
      tensors: (parameters: HostTree) => vitTensors(parameters, vit),
      names: vit.names,
    };
  }
  const bert = parseBertConfig(config, subject);
  return {
    parameters: (tensors: Tensors) => bertParameters(tensors, bert, subject),
    tensors: (parameters: HostTree) => bertTensors(parameters, bert),
    names: bert.names,
  };
}

/** A model of a folder as a function; one of images for such of this size [height, width]. */
async function loadModel(folder: string, isImage: boolean, size: readonly number[]) {
  if (!isImage) {
    const { config, parameters } = await loadBert(folder);
    return {
      parameters,
      apply: (tree: TensorTree, inputs: TensorTree, options?: TransformerOptions) =>
        applyBert(config, tree, inputs as BertInputs, options),
      lower: (tree: TensorTree, inputs: TensorTree, layer: number) =>
        lowerBert(config, tree, inputs as BertInputs, layer),
      upper: (tree: TensorTree, states: tf.Tensor, inputs: TensorTree, layer: number) =>
        upperBert(config, tree, states, inputs as BertInputs, layer),
    };
  }
  const loaded = await loadVit(folder);
  const { config, parameters } = resizeVit(loaded.config, loaded.parameters, size[0] as number, size[1] as number);
  return {
    parameters,
    apply: (tree: TensorTree, inputs: TensorTree, options?: TransformerOptions) =>
      applyVit(config, tree, inputs['pixels'] as tf.Tensor, options),
    lower: (tree: TensorTree, inputs: TensorTree, layer: number) =>
      lowerVit(config, tree, inputs['pixels'] as tf.Tensor, layer),
    upper: (tree: TensorTree, states: tf.Tensor, _: TensorTree, layer: number) => upperVit(config, tree, states, layer),
  };
}

function referenceInputs(expected: Tensors): HostTree {
  const pixels = expected.get('pixel_values');
  const mask = expected.get('attention_mask');
  const inputs: Record<string, HostTensor | undefined> = {
    pixels: pixels && channelsLast(pixels),
    ids: expected.get('input_ids'),
    mask: mask && hostTensor(Float32Array.from(mask.data), mask.shape),
    tokenTypes: expected.get('token_type_ids'),
    stateFactors: expected.get('state_factors'),
    pooledFactors: expected.get('pooled_factors'),
  };
  return Object.fromEntries(Object.entries(inputs).filter(([, value]) => value !== undefined)) as HostTree;
}

export async function loadReference(folder: string): Promise<Reference> {
  const json: unknown = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  const read = async (file: string): Promise<Tensors> => (await readSafetensors(join(folder, file))).tensors;
  const expected = await read('expected.safetensors');
  const model = await loadModel(folder, readsImages(json), expected.get('pixel_values')?.shape.slice(2) ?? []);
  return {
    ...model,
    gradients: modelOf(json, folder).parameters(await read('gradients.safetensors')),
    inputs: referenceInputs(expected),
    states: expected.get('states') as HostTensor,
    pooled: expected.get('pooled'),
  };
}

export interface Computed {
  readonly states: HostTensor;
  readonly pooled?: HostTensor;
  readonly gradients: Tensors;
}

/** Outputs, and gradients of Σ states · state factors + Σ pooled · pooled factors by every parameter. */
export async function computeReference(
  engine: Engine,
  { apply, parameters, inputs }: Pick<Reference, 'apply' | 'parameters' | 'inputs'>,
  options?: TransformerOptions,
): Promise<Computed> {
  const names = [...flattenTree<HostTensor>(parameters).keys()];
  const run = (constants: TensorTree, given: TensorTree): TensorTree => {
    const { tokens, pooled } = apply(constants, given, options);
    const loss = (...leaves: tf.Tensor[]): tf.Scalar => {
      const outputs = apply(unflattenTree(names.map((name, i) => [name, leaves[i] as tf.Tensor])), given, options);
      const onStates = tf.sum(tf.mul(outputs.tokens, given['stateFactors'] as tf.Tensor));
      if (outputs.pooled === undefined) return onStates.asScalar();
      return tf.add(onStates, tf.sum(tf.mul(outputs.pooled, given['pooledFactors'] as tf.Tensor))).asScalar();
    };
    const leaves = flattenTree(constants);
    const gradients = tf.grads(loss)(names.map((name) => leaves.get(name) as tf.Tensor));
    return {
      states: tokens,
      ...(pooled === undefined ? {} : { pooled }),
      gradients: unflattenTree(names.map((name, i) => [name, gradients[i] as tf.Tensor])),
    };
  };
  const program = await engine.prepare(run, parameters);
  const { states, pooled, gradients } = await program.run(inputs);
  await program.dispose();
  return {
    states: states as HostTensor,
    pooled: pooled as HostTensor | undefined,
    gradients: flattenTree<HostTensor>(gradients as HostTree),
  };
}

export interface Differences {
  /** Largest absolute difference of the outputs. */
  readonly forward: number;
  /** Largest difference of a gradient, relative to the largest number of that gradient. */
  readonly gradient: number;
  /** Parameters whose gradient is not compared. */
  readonly left: readonly string[];
}

/** Below this part of the largest of all gradients, differences count as parts of that (a key’s bias has gradient 0). */
const NEGLIGIBLE = 1e-3;

/**
 * States that the loss does not read, those of padding, are not compared; nor is the gradient of a table of positions that
 * was scaled for the inputs, and is another table here than in the file.
 */
export function differences(computed: Computed, reference: Reference): Differences {
  const expected = flattenTree<HostTensor>(reference.gradients);
  const overall = Math.max(...[...expected.values()].map(largestOf));
  const parameters = flattenTree<HostTensor>(reference.parameters);
  const comparable = [...expected].filter(([name, { shape }]) => String(shape) === String(parameters.get(name)?.shape));
  const gradients = comparable.map(([name, tensor]) => {
    const scale = Math.max(largestOf(tensor), overall * NEGLIGIBLE);
    return difference(computed.gradients.get(name), tensor) / scale;
  });
  const factors = (reference.inputs['stateFactors'] as HostTensor).data;
  const read = (states: HostTensor): HostTensor => {
    const width = states.shape.at(-1) as number;
    const isRead = (row: number): boolean =>
      factors.subarray(row * width, (row + 1) * width).some((each) => each !== 0);
    return { ...states, data: floatData(states).map((value, i) => (isRead(Math.floor(i / width)) ? value : 0)) };
  };
  const outputs = [difference(read(computed.states), read(reference.states))];
  if (reference.pooled !== undefined) outputs.push(difference(computed.pooled, reference.pooled));
  return {
    forward: Math.max(...outputs),
    gradient: Math.max(...gradients),
    left: [...expected.keys()].filter((name) => !comparable.some(([each]) => each === name)),
  };
}

function largestOf({ data }: HostTensor): number {
  let largest = 0;
  for (const value of data) largest = Math.max(largest, Math.abs(value));
  return largest;
}

function difference(received: HostTensor | undefined, expected: HostTensor): number {
  if (received === undefined || String(received.shape) !== String(expected.shape)) return Infinity;
  return maximumDifference(received.data, expected.data);
}

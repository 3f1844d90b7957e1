import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { readSafetensors } from '@drf/files';
import type { TransformerOptions, TransformerOutputs } from '@drf/layers';
import {
  type Engine,
  flattenTree,
  hostTensor,
  type HostTensor,
  type HostTree,
  type TensorTree,
  unflattenTree,
} from '@drf/tensor';
import { loadBert, loadVit } from '../huggingface/load-encoder.js';
import { applyBert, type BertInputs, bertParameters } from '../models/bert.js';
import { parseBertConfig } from '../models/families.js';
import { applyVit, vitParameters } from '../models/vit.js';
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

/** The model that a folder's files describe, with whatever weights. */
export function modelOf(config: unknown, subject: string) {
  const { model_type: family } = config as { readonly model_type: string };
  if (family === 'vit' || family === 'deit') {
    const vit = parseVitConfig(config, subject);
    return {
      parameters: (tensors: Tensors) => vitParameters(tensors, vit, subject),
      load: loadVit,
      apply: (parameters: TensorTree, inputs: TensorTree, options?: TransformerOptions) =>
        applyVit(vit, parameters, inputs['pixels'] as tf.Tensor, options),
    };
  }
  const bert = parseBertConfig(config, subject);
  return {
    parameters: (tensors: Tensors) => bertParameters(tensors, bert, subject),
    load: loadBert,
    apply: (parameters: TensorTree, inputs: TensorTree, options?: TransformerOptions) =>
      applyBert(bert, parameters, inputs as BertInputs, options),
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
  const model = modelOf(JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')), folder);
  const read = async (file: string): Promise<Tensors> => (await readSafetensors(join(folder, file))).tensors;
  const expected = await read('expected.safetensors');
  return {
    parameters: (await model.load(folder)).parameters,
    gradients: model.parameters(await read('gradients.safetensors')),
    inputs: referenceInputs(expected),
    states: expected.get('states') as HostTensor,
    pooled: expected.get('pooled'),
    apply: model.apply,
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
}

/** Below this part of the largest of all gradients, differences count as parts of that (a key’s bias has gradient 0). */
const NEGLIGIBLE = 1e-3;

export function differences(computed: Computed, reference: Reference): Differences {
  const expected = flattenTree<HostTensor>(reference.gradients);
  const overall = Math.max(...[...expected.values()].map(largestOf));
  const gradients = [...expected].map(([name, tensor]) => {
    const scale = Math.max(largestOf(tensor), overall * NEGLIGIBLE);
    return difference(computed.gradients.get(name), tensor) / scale;
  });
  const outputs = [difference(computed.states, reference.states)];
  if (reference.pooled !== undefined) outputs.push(difference(computed.pooled, reference.pooled));
  return { forward: Math.max(...outputs), gradient: Math.max(...gradients) };
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

import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs';
import {
  applyBert,
  applyVit,
  bertParameters,
  loadBert,
  loadVit,
  vitParameters,
  type TransformerOutputs,
} from '@drf/encoders';
import { createEngine } from '@drf/engine';
import { readSafetensors } from '@drf/files';
import {
  flattenTree,
  hostTensor,
  unflattenTree,
  UnavailableError,
  type HostTensor,
  type HostTree,
  type TensorTree,
} from '@drf/tensor';

const execute = promisify(execFile);

/** Makes a model with random weights, its states and its gradients: see the script. */
const SCRIPT = fileURLToPath(new URL('../../../packages/encoders/fixtures/make-fixtures.py', import.meta.url));

export const BASE_MODELS = { vit: 'ViT-B/16', bert: 'BERT-base' } as const;
export type BaseModel = keyof typeof BASE_MODELS;

export interface EncoderEquality {
  readonly model: string;
  readonly parameters: number;
  /** Largest absolute difference of the last hidden states and the pooled output. */
  readonly forward: number;
  /** Largest difference of a gradient relative to the largest number of that gradient, and whose it is. */
  readonly gradient: number;
  readonly worstGradient: string;
}

/** Differences of a gradient smaller than this part of all gradients' largest number count relative to that. */
const NEGLIGIBLE = 1e-3;

interface Reference {
  readonly parameters: HostTree;
  readonly gradients: HostTree;
  readonly inputs: HostTree;
  readonly expected: ReadonlyMap<string, HostTensor>;
  readonly apply: (parameters: TensorTree, inputs: TensorTree) => TransformerOutputs;
}

function required(tensors: ReadonlyMap<string, HostTensor>, name: string): HostTensor {
  const tensor = tensors.get(name);
  if (tensor !== undefined) return tensor;
  throw new UnavailableError({
    subject: 'bench encoder-equality',
    expected: `"${name}" of the script`,
    received: 'none',
  });
}

/** [batch, channel, height, width] → [batch, height, width, channel] */
function channelsLast({ data, shape }: HostTensor): HostTensor {
  const [batch, channels, height, width] = shape as [number, number, number, number];
  const places = height * width;
  const pixels = Float32Array.from({ length: data.length }, (_, i) => {
    const [image, place, channel] = [
      Math.floor(i / (places * channels)),
      Math.floor(i / channels) % places,
      i % channels,
    ];
    return data[(image * channels + channel) * places + place] as number;
  });
  return hostTensor(pixels, [batch, height, width, channels]);
}

async function loadReference(kind: BaseModel, folder: string): Promise<Reference> {
  const { tensors: expected } = await readSafetensors(join(folder, 'expected.safetensors'));
  const { tensors: given } = await readSafetensors(join(folder, 'gradients.safetensors'));
  const factors = {
    stateFactors: required(expected, 'state_factors'),
    pooledFactors: required(expected, 'pooled_factors'),
  };
  if (kind === 'vit') {
    const { config, parameters } = await loadVit(folder);
    return {
      parameters,
      gradients: vitParameters(given, config, 'gradients'),
      inputs: { ...factors, pixels: channelsLast(required(expected, 'pixel_values')) },
      expected,
      apply: (tree, { pixels }) => applyVit(config, tree, pixels as tf.Tensor),
    };
  }
  const { config, parameters } = await loadBert(folder);
  const mask = required(expected, 'attention_mask');
  const inputs = {
    ...factors,
    ids: required(expected, 'input_ids'),
    mask: hostTensor(Float32Array.from(mask.data), mask.shape),
    tokenTypes: required(expected, 'token_type_ids'),
  };
  const apply: Reference['apply'] = (tree, each) =>
    applyBert(config, tree, each as { ids: tf.Tensor; mask: tf.Tensor; tokenTypes: tf.Tensor });
  return { parameters, gradients: bertParameters(given, config, 'gradients'), inputs, expected, apply };
}

/** Outputs, and gradients of Σ states · state factors + Σ pooled · pooled factors by every parameter. */
function outputsAndGradients({ apply, parameters }: Reference) {
  const names = [...flattenTree<HostTensor>(parameters).keys()];
  const tree = <Leaf>(leaves: readonly Leaf[]) => unflattenTree(names.map((name, i) => [name, leaves[i] as Leaf]));
  return (constants: TensorTree, inputs: TensorTree): TensorTree => {
    const { tokens, pooled } = apply(constants, inputs);
    const loss = (...leaves: tf.Tensor[]): tf.Scalar => {
      const outputs = apply(tree(leaves), inputs);
      const onStates = tf.sum(tf.mul(outputs.tokens, inputs['stateFactors'] as tf.Tensor));
      const onPooled = tf.sum(tf.mul(outputs.pooled as tf.Tensor, inputs['pooledFactors'] as tf.Tensor));
      return tf.add(onStates, onPooled).asScalar();
    };
    const leaves = flattenTree(constants);
    const gradients = tf.grads(loss)(names.map((name) => leaves.get(name) as tf.Tensor));
    return { states: tokens, pooled: pooled as tf.Tensor, gradients: tree(gradients) };
  };
}

function largestDifference(a: HostTensor, b: HostTensor): number {
  if (String(a.shape) !== String(b.shape)) return NaN;
  let largest = 0;
  for (let i = 0; i < a.data.length; i++) {
    largest = Math.max(largest, Math.abs((a.data[i] as number) - (b.data[i] as number)));
  }
  return largest;
}

function largestNumber({ data }: HostTensor): number {
  let largest = 0;
  for (const value of data) largest = Math.max(largest, Math.abs(value));
  return largest;
}

async function compare(engineName: string, kind: BaseModel, folder: string): Promise<EncoderEquality> {
  const reference = await loadReference(kind, folder);
  const engine = await createEngine(engineName);
  try {
    const program = await engine.prepare(outputsAndGradients(reference), reference.parameters);
    const computed = (await program.run(reference.inputs)) as HostTree;
    await program.dispose();
    const { states, pooled } = computed as unknown as Record<'states' | 'pooled', HostTensor>;
    const gradients = flattenTree<HostTensor>(computed['gradients'] as HostTree);
    const due = flattenTree<HostTensor>(reference.gradients);
    const floor = NEGLIGIBLE * Math.max(...[...due.values()].map(largestNumber));
    const errors = [...due].map(([name, tensor]) => {
      const error = largestDifference(gradients.get(name) as HostTensor, tensor);
      return { name, error: error / Math.max(largestNumber(tensor), floor) };
    });
    const worst = errors.reduce((most, each) => (each.error <= most.error ? most : each)); // NaN is worst
    return {
      model: BASE_MODELS[kind],
      parameters: [...due.values()].reduce((sum, { data }) => sum + data.length, 0),
      forward: Math.max(
        largestDifference(states, required(reference.expected, 'states')),
        largestDifference(pooled, required(reference.expected, 'pooled')),
      ),
      gradient: worst.error,
      worstGradient: worst.name,
    };
  } finally {
    await engine.dispose();
  }
}

/**
 * Runs an encoder of full size with random weights here and in transformers, and compares last hidden states, pooled
 * output and the gradient by every parameter.
 * @throws UnavailableError when the script fails, as without PyTorch and transformers
 */
export async function measureEncoderEquality(
  python: string,
  engineName: string,
  kind: BaseModel,
): Promise<EncoderEquality> {
  const folder = await mkdtemp(join(tmpdir(), 'drf-encoder-equality-'));
  try {
    await execute(python, [SCRIPT, '--base', kind, join(folder, kind)]).catch((error: Error) => {
      throw new UnavailableError(
        {
          subject: 'bench encoder-equality',
          expected: `a Python with torch, transformers and safetensors as ${python}`,
          received: error.message.trim().split('\n').at(-1) ?? '',
          remedy: 'pass --python',
        },
        { cause: error },
      );
    });
    return await compare(engineName, kind, join(folder, kind));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

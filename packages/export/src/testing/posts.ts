import { type FeatureSet, gatherBatch, memoryRows, type OpenedRun, Predictor } from '@drf/experiment';
import { tellsStates } from '@drf/model';
import type { ByModality, HostTensor, HostTree, Modality } from '@drf/tensor';
import * as ort from 'onnxruntime-node';
import { expect } from 'vitest';
import { createEngine } from '@drf/engine';
import { isDrf } from '../model-function.js';
import { randomTensor } from './tiny-run.js';

/** Numbers of a model's outputs by name. */
export type OnnxOutputs = Readonly<Record<string, readonly number[]>>;

/** Runs an ONNX file by onnxruntime-node. */
export async function runOnnx(file: string | Uint8Array, inputs: HostTree): Promise<OnnxOutputs> {
  const session = await ort.InferenceSession.create(file as string);
  const feeds = Object.entries(inputs as Record<string, HostTensor>).map(
    ([name, { dtype, data, shape }]) => [name, new ort.Tensor(dtype, data as Float32Array, shape)] as const,
  );
  const results = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => [name, Array.from(tensor.data as Float32Array)]),
  );
}

/** Posts as a head's inputs. */
export async function headBatch(posts: FeatureSet): Promise<HostTree> {
  const { image, text } = (await gatherBatch(posts, [...posts.ids.keys()])).batch;
  return { image: image.features, text: text.features, imageAvailable: image.available, textAvailable: text.available };
}

/** Every expected output is there, and no number differs by more than 1e-5 (relative to 1 or to the number). */
export function expectOutputs(received: OnnxOutputs, expected: OnnxOutputs, tolerance = 1e-5): void {
  for (const [name, numbers] of Object.entries(expected)) {
    expect(received[name]?.length, `count of ${name}`).toBe(numbers.length);
    const worst = Math.max(
      ...numbers.map((number, i) => Math.abs(number - (received[name]?.[i] as number)) / Math.max(1, Math.abs(number))),
    );
    expect(worst, `largest difference of ${name}`).toBeLessThan(tolerance);
  }
}

/** Which of a post's modalities are there. */
export const AVAILABILITIES = [
  { name: 'image and text', image: 1, text: 1 },
  { name: 'image alone', image: 1, text: 0 },
  { name: 'text alone', image: 0, text: 1 },
  { name: 'neither', image: 0, text: 0 },
] as const;

/** So many random posts; every availability occurs among any four of them. */
export function randomPosts({ imageDim, textDim }: { imageDim: number; textDim: number }, count: number): FeatureSet {
  const available = (modality: 'image' | 'text'): Float32Array =>
    Float32Array.from({ length: count }, (_, post) => AVAILABILITIES[post % 4]?.[modality] as number);
  return {
    ids: Array.from({ length: count }, (_, post) => `post ${post}`),
    labels: new Int32Array(count),
    image: { rows: memoryRows(randomTensor('image', [count, imageDim])), available: available('image') },
    text: { rows: memoryRows(randomTensor('text', [count, textDim])), available: available('text') },
  };
}

/** What a head should say of posts, by the names of the exported outputs: from the predictor that evaluation uses. */
export async function predictedOutputs(run: OpenedRun, posts: FeatureSet): Promise<Record<string, number[]>> {
  const engine = await createEngine('eager:cpu');
  const predictor = Predictor.create(engine, run.method, true);
  const { probabilities, details } = await predictor.predict(posts, run.parameters, run.memory);
  await predictor.dispose();
  await engine.dispose();
  const outputs: Record<string, number[]> = { probabilities: [...probabilities] };
  const { id } = run.method;
  const said = details[0] ?? {};
  return { ...outputs, ...(isDrf(id) ? drfOutputs(said, id === 'drf') : {}), ...intactOutputs(said, run) };
}

/** The logistic function of the ratios, where discriminants say other things of other outputs. */
function intactOutputs(details: HostTree, { parameters }: OpenedRun): Record<string, number[]> {
  const ratios = (details['logLikelihoodRatio'] ?? {}) as Partial<ByModality<HostTensor>>;
  const known = tellsStates(parameters);
  const of = (modality: Modality): number[] =>
    Array.from(ratios[modality]?.data ?? [], (ratio) => 1 / (1 + Math.exp(-ratio)));
  return { ...(known.image ? { intactImage: of('image') } : {}), ...(known.text ? { intactText: of('text') } : {}) };
}

function drfOutputs(details: HostTree, isGated: boolean): Record<string, number[]> {
  const { weights, logDensity, std, features } = details as {
    weights: HostTensor;
    logDensity: ByModality<HostTensor> & { recovered: ByModality<HostTensor> };
    std: ByModality<HostTensor>;
    features: { recovered: ByModality<HostTensor> };
  };
  const outputs: Record<string, number[]> = {
    pairWeights: [...weights.data],
    recoveredText: [...features.recovered.text.data],
    recoveredImage: [...features.recovered.image.data],
  };
  outputs['logDensityImage'] = [...logDensity.image.data];
  outputs['logDensityText'] = [...logDensity.text.data];
  if (isGated) return outputs;
  const { image, text, recovered } = logDensity;
  for (const [name, logs, modality] of [
    ['Image', image, 'image'],
    ['Text', text, 'text'],
    ['RecoveredText', recovered.text, 'text'],
    ['RecoveredImage', recovered.image, 'image'],
  ] as const) {
    const relative = Array.from(logs.data, Math.exp);
    const sigma = std[modality].data[0] as number;
    outputs[`relativeDensity${name}`] = relative;
    outputs[`density${name}`] = relative.map((density) => density / (Math.sqrt(2 * Math.PI) * sigma));
  }
  return outputs;
}

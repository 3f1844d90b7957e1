import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { readJson, readSafetensors } from '@drf/files';
import { DataError, floatData, type HostTensor } from '@drf/tensor';

/** A label and its probabilities by class. */
export interface LabeledPost {
  readonly label: string;
  readonly probabilities: Readonly<Record<string, number>>;
}

/** How far two lists of judgments of the same posts agree. */
export function judgmentAgreement(pairs: Iterable<readonly [LabeledPost, LabeledPost]>): {
  readonly equalLabels: number;
  readonly largestDifference: number;
} {
  let [count, equal, largest] = [0, 0, 0];
  for (const [ours, peer] of pairs) {
    count += 1;
    if (ours.label === peer.label) equal += 1;
    for (const [label, probability] of Object.entries(ours.probabilities)) {
      largest = Math.max(largest, Math.abs(probability - (peer.probabilities[label] ?? NaN)));
    }
  }
  return { equalLabels: equal / count, largestDifference: largest };
}

/** Judged posts of a JSON Lines file, by id. */
export async function readJudged(path: string): Promise<ReadonlyMap<string, LabeledPost>> {
  const judged = new Map<string, LabeledPost>();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const { id, label, probabilities } = JSON.parse(line) as LabeledPost & { readonly id: string };
    judged.set(id, { label, probabilities });
  }
  return judged;
}

/** Values of both sides by the ids that ours has. @throws DataError where the peer's lack one */
export function* pairsOf<Value>(
  ours: ReadonlyMap<string, Value>,
  peer: ReadonlyMap<string, Value>,
): Generator<readonly [Value, Value]> {
  for (const [id, own] of ours) {
    const other = peer.get(id);
    if (other !== undefined) yield [own, other];
    else throw new DataError({ subject: 'results of the peer', expected: `post ${id}`, received: `${peer.size} posts without it`, remedy: 'look at what it prints by itself' }); // prettier-ignore
  }
}

/** How far rows of features agree: cosines, and differences beside the largest number. */
export function featureAgreement(pairs: Iterable<readonly [Float32Array, Float32Array]>): {
  readonly smallestCosine: number;
  readonly meanCosine: number;
  readonly largestDifference: number;
  readonly largestValue: number;
} {
  let [count, sum, smallest, difference, value] = [0, 0, 1, 0, 0];
  for (const [ours, peer] of pairs) {
    let [product, own, other] = [0, 0, 0];
    ours.forEach((a, i) => {
      const b = peer[i] as number;
      product += a * b;
      own += a * a;
      other += b * b;
      difference = Math.max(difference, Math.abs(a - b));
      value = Math.max(value, Math.abs(a));
    });
    const cosine = product / Math.sqrt(own * other);
    smallest = Math.min(smallest, cosine);
    sum += cosine;
    count += 1;
  }
  return { smallestCosine: smallest, meanCosine: sum / count, largestDifference: difference, largestValue: value };
}

/** Features of a safetensors file as `pnpm embed` writes it, by the posts' ids. */
export async function readFeatures(
  path: string,
  modality: 'image' | 'text',
): Promise<ReadonlyMap<string, Float32Array>> {
  const { tensors } = await readSafetensors(path);
  const ids = (await readJson(`${path}.ids.json`)) as readonly string[];
  const features = tensors.get(`${modality}_feature`) as HostTensor;
  const width = features.shape[1] as number;
  const rows = floatData(features);
  return new Map(ids.map((id, row) => [id, rows.slice(row * width, (row + 1) * width)]));
}

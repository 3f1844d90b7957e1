import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  createRandom,
  flattenTree,
  mapTree,
  named,
  toTensor,
  type Host,
  type HostTensor,
  type HostTree,
} from '@drf/tensor';
import type { BatchInputs, Method, MethodParameters } from '@drf/model';
import { upload } from '@drf/model/testing';
import { createHsan, createMvan } from '@drf/baselines';
import {
  applyNorm,
  attendMultiHead,
  initializeMultiHead,
  maskedSoftmax,
  type MultiHeadParameters,
} from './attention.js';
import { placeBins } from './place-bins.js';
import { EXAMPLE_SHAPES, tokenExample } from './testing/token-examples.js';

beforeAll(() => tf.setBackend('cpu'));

/** What a method says of its attention, by flat name. */
function detailsOf(method: Method, batch: Host<BatchInputs>): Map<string, number[]> {
  const found = new Map<string, number[]>();
  tf.tidy(() => {
    const parameters = upload<MethodParameters>(method.initialParameters(createRandom(3)));
    const { details } = method.predict(parameters, upload<BatchInputs>(batch), {});
    for (const [name, tensor] of flattenTree<tf.Tensor>(details)) found.set(name, [...tensor.dataSync()]);
  });
  return found;
}

const example = tokenExample({ posts: 3, missing: false }).batch;
const other = tokenExample({ posts: 3, missing: false, seed: 2 }).batch;
const withOtherImage = { ...example, image: other.image };

describe('HSAN', () => {
  const method = createHsan({ dim: 8 }, EXAMPLE_SHAPES);

  it('weighs the words of a text by what the image shows', () => {
    const [before, after] = [detailsOf(method, example), detailsOf(method, withOtherImage)];
    expect(after.get('attention.words')).not.toEqual(before.get('attention.words'));
  });

  it('weighs what the image shows without the text', () => {
    const otherText = { ...example, text: other.text };
    const [before, after] = [detailsOf(method, example), detailsOf(method, otherText)];
    expect(after.get('attention.caption')).toEqual(before.get('attention.caption'));
  });

  it('gives weights that sum to one at both levels, and none to words that do not stand', () => {
    const details = detailsOf(method, example);
    const words = details.get('attention.words') as number[];
    for (let post = 0; post < 3; post++) {
      const own = words.slice(post * 6, post * 6 + 6); // the pooled feature and five places for words
      expect(own.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      own.slice(1).forEach((weight, i) => {
        if (example.text.tokens.mask.data[post * 5 + i] === 0) expect(weight).toBe(0);
      });
      const sentences = (details.get('attention.sentences') as number[]).slice(post * 2, post * 2 + 2);
      expect(sentences.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
    }
  });
});

describe('MVAN', () => {
  const attentionAfter = (hops: number, batch: Host<BatchInputs> = example): Map<string, number[]> =>
    detailsOf(createMvan({ dim: 8, hops }, EXAMPLE_SHAPES), batch);

  it('asks anew at every hop, and keeps what the hops before asked', () => {
    const [one, three] = [attentionAfter(1), attentionAfter(3)];
    for (const [view, tokens] of [
      ['text', 6],
      ['object', 10],
      ['scene', 9],
    ] as const) {
      // prettier-ignore
      const hops = [0, 1, 2].map((hop) => three.get(`attention.${view}`)?.slice(hop * tokens, (hop + 1) * tokens));
      expect(hops[0]).toEqual(one.get(`attention.${view}`)?.slice(0, tokens));
      if (view === 'text' && hops[0]?.filter((weight) => weight > 0).length === 1) continue;
      expect(hops[1]).not.toEqual(hops[0]);
      expect(hops[2]).not.toEqual(hops[1]);
    }
  });

  it('lets each modality guide what is read of the other', () => {
    const [before, after] = [attentionAfter(1), attentionAfter(1, withOtherImage)];
    expect(after.get('attention.text')).not.toEqual(before.get('attention.text'));
    const otherText = { ...example, text: other.text };
    const changed = attentionAfter(1, otherText);
    for (const view of ['object', 'scene']) {
      expect(changed.get(`attention.${view}`)).not.toEqual(before.get(`attention.${view}`));
    }
  });
});

describe('placeBins', () => {
  const membersOf = (count: number, side: number): number[][] => {
    const { bins, members } = placeBins(count, side);
    return Array.from({ length: bins }, (_, bin) =>
      Array.from({ length: count }, (_, place) => place).filter((place) => members[bin * count + place] === 1),
    );
  };

  it('cuts a square map into overlapping squares', () => {
    expect(membersOf(9, 2)).toEqual([[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]); // prettier-ignore
    expect(membersOf(4, 2)).toEqual([[0], [1], [2], [3]]);
  });

  it('cuts a sequence that is no square into neighbors', () => {
    expect(membersOf(6, 2)).toEqual([[0, 1], [1, 2], [3, 4], [4, 5]]); // prettier-ignore
  });
});

describe('building blocks', () => {
  it('softmax leaves out what does not stand, and is uniform where nothing does', () => {
    const weights = tf.tidy(() => [...maskedSoftmax(tf.tensor2d([[1, 5, 1], [3, 2, 1]]), tf.tensor2d([[1, 0, 1], [0, 0, 0]])).dataSync()]); // prettier-ignore
    [0.5, 0, 0.5].forEach((value, i) => expect(weights[i]).toBeCloseTo(value, 6));
    weights.slice(3).forEach((weight) => expect(weight).toBeCloseTo(1 / 3, 4));
  });

  it('attention with several heads equals loops', () => {
    const [heads, dim] = [2, 4];
    const random = createRandom(1);
    const host = initializeMultiHead(random, dim);
    const draw = (rows: number): number[][] =>
      Array.from({ length: rows }, () => Array.from({ length: dim }, () => random.normal()));
    const [queries, tokens, mask] = [draw(2), draw(3), [1, 1, 0]];
    const linear = ({ kernel, bias }: { kernel: HostTensor; bias: HostTensor }, row: number[]): number[] =>
      Array.from({ length: dim }, (_, j) => row.reduce((sum, x, i) => sum + x * (kernel.data[i * dim + j] as number), bias.data[j] as number)); // prettier-ignore
    const expected = queries.flatMap((query) => {
      const q = linear(host.query, query);
      const mixed = Array.from({ length: heads }, (_, head) => {
        const part = (row: number[]): number[] => row.slice((head * dim) / heads, ((head + 1) * dim) / heads);
        const exponentials = tokens.map((token, t) => {
          const key = part(linear(host.key, token));
          return (mask[t] as number) * Math.exp(part(q).reduce((sum, x, i) => sum + x * (key[i] as number), 0) / Math.sqrt(dim / heads)); // prettier-ignore
        });
        const total = exponentials.reduce((sum, value) => sum + value, 0);
        const values = tokens.map((token) => part(linear(host.value, token)));
        return Array.from({ length: dim / heads }, (_, i) => values.reduce((sum, value, t) => sum + ((exponentials[t] as number) / total) * (value[i] as number), 0)); // prettier-ignore
      });
      return linear(host.output, mixed.flat());
    });
    const actual = tf.tidy(() => {
      const parameters = mapTree(host as unknown as HostTree, toTensor) as unknown as MultiHeadParameters;
      const sequence = {
        states: named(tf.tensor3d([tokens]), ['batch', 'token', 'dim']),
        mask: named(tf.tensor2d([mask]), ['batch', 'token']),
      };
      return [...attendMultiHead(parameters, tf.tensor3d([queries]), sequence, heads).dataSync()];
    });
    expected.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 5));
  });

  it('layer normalization gives mean 0 and deviation 1 before its scale', () => {
    const rows = tf.tidy(() => [...applyNorm({ scale: tf.tensor1d([2, 2]), bias: tf.tensor1d([1, 1]) }, tf.tensor2d([[3, 7]])).dataSync()]); // prettier-ignore
    expect(rows[0]).toBeCloseTo(-1, 3);
    expect(rows[1]).toBeCloseTo(3, 3);
  });
});

import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, flattenTree, type Host } from '@drf/tensor';
import type { BatchInputs, Method, MethodParameters } from '@drf/model';
import { upload } from '@drf/model/testing';
import { createHsan, createMvan } from '@drf/baselines';
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

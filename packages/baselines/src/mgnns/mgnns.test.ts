import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { createRandom, hostTensor, named, type Host, type HostTensor } from '@drf/tensor';
import type { BatchInputs, Method, MethodParameters, TokenInputs } from '@drf/model';
import { upload } from '@drf/model/testing';
import { createMgnns, measureGraphs } from '@drf/baselines';
import { EXAMPLE_SHAPES, tokenExample } from '../testing/token-examples.js';
import { CoOccurrence } from './co-occurrence.js';
import { readTexts, windowsOf } from './graph-source.js';
import { kMeans, nearest } from './k-means.js';
import { findNodes, NEIGHBORS, textGraphFeatures } from './text-graph.js';

beforeAll(() => tf.setBackend('cpu'));

const numbers = (run: () => tf.Tensor): number[] => tf.tidy(() => [...run().dataSync()]);

describe('CoOccurrence', () => {
  // four windows: 0 in all, 1 in three, 2 in two; 0 and 1 share three, 0 and 2 two, 1 and 2 one
  const counts = (): CoOccurrence => {
    const graph = new CoOccurrence(4);
    for (const window of [[0, 1], [0, 1, 1], [0, 1, 2], [0, 2]]) graph.add(window); // prettier-ignore
    return graph;
  };

  it('has the mutual information computed by hand, where it is positive and shared twice', () => {
    const graph = counts();
    graph.add([]); // a fifth window without any of them
    const edges = [...graph.mutualInformation()];
    const ofZeroAndOne = Math.log(3 / 5 / ((4 / 5) * (3 / 5)));
    const ofZeroAndTwo = Math.log(2 / 5 / ((4 / 5) * (2 / 5)));
    [
      [1, ofZeroAndOne, ofZeroAndTwo, 0],
      [ofZeroAndOne, 1, 0, 0], // 1 and 2 share one window
      [ofZeroAndTwo, 0, 1, 0],
      [0, 0, 0, 1],
    ]
      .flat()
      .forEach((edge, i) => expect(edges[i]).toBeCloseTo(edge, 6));
  });

  it('drops what is not more frequent together than by chance', () => {
    expect(counts().mutualInformation()[1]).toBe(0); // log(3/4 / (4/4 · 3/4))
  });

  it('has the conditional probabilities computed by hand, scaled to the share of neighbors', () => {
    const edges = [...counts().conditionalEdges(0.25)];
    const expected = [0.75, 0.15, 0.1, 0, 0.1875, 0.75, 0.0625, 0, 1 / 6, 1 / 12, 0.75, 0, 0, 0, 0, 1];
    expected.forEach((edge, i) => expect(edges[i]).toBeCloseTo(edge, 6));
  });
});

async function* once(text: Host<TokenInputs>): AsyncGenerator<Host<TokenInputs>> {
  yield text;
}

it('thresholdEdges, by hand: neighbors from the threshold on, normalized on both sides', () => {
  const graph = new CoOccurrence(2);
  for (const window of [[0, 1], [0], [0]]) graph.add(window); // P(1 | 0) = 1/3, P(0 | 1) = 1
  // node 1 has neighbor 0: [[0.8, 0], [0.2, 0.8]] with row sums 0.8 and 1
  const edges = [...graph.thresholdEdges(0.5, 0.2)];
  [1, 0.2 / Math.sqrt(0.8), 0, 0.8].forEach((edge, i) => expect(edges[i]).toBeCloseTo(edge, 6));
});

it('windowsOf slides over texts and takes a short one whole', async () => {
  const text: Host<TokenInputs> = {
    tokens: hostTensor(new Float32Array(12), [3, 4, 1]),
    mask: hostTensor([1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0], [3, 4]),
    pieces: hostTensor(Int32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9), [3, 4]),
  };
  const { texts } = await readTexts(once(text));
  expect([...windowsOf(texts, 3)]).toEqual([[1, 2, 3], [2, 3, 4], [5, 6]]); // prettier-ignore
  await expect(readTexts(once({ tokens: text.tokens, mask: text.mask }))).rejects.toThrow(
    'Co-occurrence graph of words expected the numbers of word pieces, received tokens without them',
  );
});

describe('kMeans', () => {
  const rows = { data: Float32Array.of(0, 0, 0, 1, 10, 10, 10, 11, -5, 3), dim: 2 };

  it('finds groups that lie apart, and their means', () => {
    const centroids = kMeans(rows, 3, createRandom(1));
    const found = [0, 1, 2].map((c) => [...centroids.data.slice(2 * c, 2 * c + 2)].join());
    expect(found.sort()).toEqual(['-5,3', '0,0.5', '10,10.5'].sort());
    expect(nearest(rows, 0, centroids)).toBe(nearest(rows, 1, centroids));
  });

  it('is decided by the stream and takes fewer rows than clusters', () => {
    expect(kMeans(rows, 3, createRandom(2))).toEqual(kMeans(rows, 3, createRandom(2)));
    expect(kMeans({ data: Float32Array.of(1, 2), dim: 2 }, 3, createRandom(1)).data).toHaveLength(6);
  });
});

describe('measureGraphs', () => {
  const { batch } = tokenExample({ posts: 12, missing: false });
  const measure = (sizes = { words: 5, objects: 3, scenes: 2 }) => {
    const part = (indices: readonly number[], inputs: Host<TokenInputs>): Host<TokenInputs> => {
      const pick = (host: HostTensor): HostTensor => {
        const size = host.data.length / (host.shape[0] as number);
        const rows = indices.flatMap((i) => [...host.data.slice(i * size, (i + 1) * size)]);
        const data = host.dtype === 'int32' ? Int32Array.from(rows) : Float32Array.from(rows);
        return hostTensor(data, [indices.length, ...host.shape.slice(1)]);
      };
      return {
        tokens: pick(inputs.tokens),
        mask: pick(inputs.mask),
        ...(inputs.pieces ? { pieces: pick(inputs.pieces) } : {}),
      };
    };
    const source = {
      posts: 12,
      image: async (indices: readonly number[]) => part(indices, batch.image.tokens),
      text: async (indices: readonly number[]) => part(indices, batch.text.tokens),
    };
    return measureGraphs(source, sizes, createRandom(1));
  };

  it('takes the most frequent pieces with the mean of their states, and their edges', async () => {
    const graphs = await measure();
    const { pieces, mask, tokens } = batch.text.tokens;
    const standing = [...mask.data.keys()].filter((i) => mask.data[i] === 1);
    const places = new Map<number, number[]>();
    for (const i of standing)
      places.set(pieces?.data[i] as number, [...(places.get(pieces?.data[i] as number) ?? []), i]);
    const order = [...places].sort(([a, x], [b, y]) => y.length - x.length || a - b).slice(0, 5);
    expect([...graphs.wordPieces.data]).toEqual(order.map(([piece]) => piece));
    order.forEach(([, at], node) => {
      const mean = at.reduce((sum, i) => sum + (tokens.data[i * 3] as number), 0) / at.length;
      expect(graphs.wordStates.data[node * 3]).toBeCloseTo(mean, 5);
    });
    const reference = new CoOccurrence(5);
    const { texts } = await readTexts(once(batch.text.tokens));
    for (const window of windowsOf(texts, 6)) {
      reference.add(window.flatMap((piece) => order.flatMap(([own], node) => (own === piece ? [node] : []))));
    }
    expect(graphs.wordEdges.data).toEqual(reference.mutualInformation());
    for (const edges of [graphs.objectEdges, graphs.sceneEdges]) {
      const size = edges.shape[0] as number;
      for (let row = 0; row < size; row++) {
        const sum = [...edges.data.slice(row * size, (row + 1) * size)].reduce((total, edge) => total + edge, 0);
        expect(sum).toBeCloseTo(1, 5);
      }
    }
  });

  it('is the same for the same seed, and pads a small vocabulary', async () => {
    expect(await measure()).toEqual(await measure());
    const { wordPieces } = await measure({ words: 12, objects: 3, scenes: 2 });
    expect([...wordPieces.data].slice(8)).toEqual([-1, -1, -1, -1]);
  });

  it('reaches the parameters, and a changed edge the prediction', async () => {
    const graphs = await measure();
    const method = createMgnns(
      { dim: 4, heads: 2, graphs: { words: 5, objects: 3, scenes: 2 } },
      EXAMPLE_SHAPES,
      graphs,
    );
    const parameters = method.initialParameters(createRandom(1));
    expect(parameters.fixed?.measured?.wordEdges).toEqual(graphs.wordEdges);
    const logits = (wordEdges: Float32Array): number[] =>
      tf.tidy(() => {
        const measured = { ...graphs, wordEdges: hostTensor(wordEdges, [5, 5]) };
        const changed = upload<MethodParameters>({ ...parameters, fixed: { measured } });
        return [...(method as Method).predict(changed, upload<BatchInputs>(batch), {}).logits.dataSync()];
      });
    const strong = (graphs.wordEdges.data as Float32Array).map((edge) => (edge > 0 ? 10 * edge : edge));
    expect(logits(strong)).not.toEqual(logits(graphs.wordEdges.data as Float32Array));
  });
});

describe('textGraphFeatures', () => {
  const words = 3;
  const edges = [1, 2, 0, 2, 1, 0.5, 0, 0.5, 1];
  const states = [[1, -1], [2, 0], [-3, 4]]; // prettier-ignore
  const keep = 0.3;

  /** Message passing as the formula says it, post by post. */
  function naive(pieces: readonly number[], mask: readonly number[]): number[] {
    const nodes = pieces.map((piece, i) => (mask[i] === 1 && piece >= 20 && piece < 20 + words ? piece - 20 : -1));
    const share = 1 / (1 + Math.exp(-keep));
    const updated = nodes.flatMap((node, i) => {
      if (node === -1) return [];
      const own = states[node] as number[];
      const messages = nodes.flatMap((other, j) => {
        if (i === j) return [own];
        const edge = other === -1 ? 0 : (edges[node * words + other] as number);
        if (Math.abs(i - j) > NEIGHBORS || edge <= 0) return [];
        return [(states[other] as number[]).map((value) => edge * value)];
      });
      return [own.map((value, k) => share * value + (1 - share) * Math.max(...messages.map((message) => message[k] as number)))]; // prettier-ignore
    });
    return [0, 1].map((k) => Math.max(0, updated.reduce((sum, row) => sum + (row[k] as number), 0) / Math.max(1, updated.length))); // prettier-ignore
  }

  it('equals message passing by loops', () => {
    const texts = [
      { pieces: [20, 21, 22, 99, 20], mask: [1, 1, 1, 1, 1] },
      { pieces: [22, 22, 21, 20, 20], mask: [1, 1, 1, 0, 0] },
      { pieces: [20, 99, 99, 99, 21], mask: [1, 1, 1, 1, 1] }, // four places apart: no edge
      { pieces: [99, 99, 99, 99, 99], mask: [1, 1, 0, 0, 0] },
    ];
    const actual = numbers(() =>
      textGraphFeatures(
        {
          projection: { kernel: named(tf.eye(2), ['in', 'out']), bias: named(tf.zeros([2]), ['out']) },
          offsets: tf.zeros([words, 2]),
          keep: tf.scalar(keep),
        },
        {
          wordPieces: tf.tensor1d([20, 21, 22]),
          wordStates: tf.tensor2d(states),
          wordEdges: tf.tensor2d(edges, [3, 3]),
        },
        named(tf.tensor2d(texts.map(({ pieces }) => pieces), undefined, 'int32'), ['batch', 'token']), // prettier-ignore
        named(tf.tensor2d(texts.map(({ mask }) => mask)), ['batch', 'token']), // prettier-ignore
      ),
    );
    texts
      .flatMap(({ pieces, mask }) => naive(pieces, mask))
      .forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 5));
  });

  it('equals the authors’ message passing by loops: learned edges, the largest message, the sum', () => {
    const learned = [0.5, -1, 9, 2, 1.5, 0.25, 9, -0.75, 1]; // where a measured edge is 0, the other's weight stands
    const [otherEdge, near] = [0.1, 5];
    const pieces = [20, 21, 22, 99, 20, 20, 21];
    const nodes = pieces.map((piece) => (piece < 23 ? piece - 20 : -1));
    const weight = (i: number, j: number): number =>
      (edges[i * words + j] as number) > 0 ? (learned[i * words + j] as number) : otherEdge;
    const sums = [0, 1].map((k) =>
      nodes.reduce((sum, node, i) => {
        if (node === -1) return sum;
        const messages = nodes.flatMap((other, j) =>
          other === -1 || Math.abs(i - j) > near ? [] : [weight(node, other) * (states[other]?.[k] as number)],
        );
        return sum + Math.max(...messages);
      }, 0),
    );
    const actual = numbers(() =>
      textGraphFeatures(
        {
          projection: { kernel: named(tf.eye(2), ['in', 'out']), bias: named(tf.zeros([2]), ['out']) },
          offsets: tf.zeros([words, 2]),
          edges: tf.tensor2d(learned, [3, 3]),
          otherEdge: tf.scalar(otherEdge),
        },
        {
          wordPieces: tf.tensor1d([20, 21, 22]),
          wordStates: tf.tensor2d(states),
          wordEdges: tf.tensor2d(edges, [3, 3]),
        },
        named(tf.tensor2d([pieces], undefined, 'int32'), ['batch', 'token']),
        named(tf.ones([1, pieces.length]), ['batch', 'token']),
      ),
    );
    sums.forEach((sum, k) => expect(actual[k]).toBeCloseTo(Math.max(0, sum), 5));
    expect(sums.some((sum) => sum > 0)).toBe(true);
  });

  it('finds nodes by piece, and none for unknown pieces or padding', () => {
    const found = tf.tidy(() => {
      const { nodes, known } = findNodes(tf.tensor2d([[21, 5, 20]], undefined, 'int32'), tf.tensor2d([[1, 1, 0]]), tf.tensor1d([20, 21])); // prettier-ignore
      return { nodes: [...nodes.dataSync()], known: [...known.dataSync()] };
    });
    expect(found.known).toEqual([1, 0, 0]);
    expect(found.nodes[0]).toBe(1);
  });
});

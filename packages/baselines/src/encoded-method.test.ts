import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '@drf/engine';
import {
  ADAMW_DEFAULTS,
  createConcatenation,
  createDrf,
  drfConfig,
  prepareTraining,
  stepSchedule,
  valueAndGradients,
  withEncoders,
  type BatchInputs,
  type EncodedBatchInputs,
  type EncodedTokens,
  type Method,
  type MethodParameters,
  type ModalityInputs,
  type StepEncoder,
  type TokenInputs,
} from '@drf/model';
import { tinyContents, tinyImageEncoder, tinyTextEncoder, upload } from '@drf/model/testing';
import {
  byModality,
  createRandom,
  flattenTree,
  hostTensor,
  mapTree,
  mergeTrees,
  named,
  type ByModality,
  type Engine,
  type Host,
  type HostTensor,
  type HostTree,
  type PerPost,
  type Random,
  type TensorTree,
} from '@drf/tensor';
import { toTensor } from '@drf/tensor/transfer';
import { createHsan } from './index.js';

const POSTS = 6;
const SHAPES = { imageDim: 5, textDim: 4, classes: 3 };
const [imageEncoder, textEncoder] = [tinyImageEncoder(5), tinyTextEncoder(4)];
const contents = tinyContents(POSTS);
const labels = hostTensor(
  Int32Array.from({ length: POSTS }, (_, i) => i % 3),
  [POSTS],
);
const available = { image: ones([1, 1, 1, 0, 1, 1]), text: ones([1, 1, 1, 1, 0, 1]) };

function ones(values: number[]): HostTensor {
  return hostTensor(values, [values.length]);
}

function methods(): Record<string, Method> {
  return {
    drf: createDrf(drfConfig(4, { queueCapacity: 8 }), SHAPES),
    concatenation: createConcatenation({ dim: 4 }, SHAPES),
  };
}

/** Features by the encoder outside of any method. */
function encode({ apply, initialParameters }: StepEncoder, inputs: HostTree): tf.Tensor {
  return apply(upload<TensorTree>(initialParameters), upload<TensorTree>(inputs));
}

/** A batch of contents. */
function batchOf(image: HostTree, text: HostTree): Host<EncodedBatchInputs> {
  return {
    image: { contents: image, available: available.image },
    text: { contents: text, available: available.text },
  };
}

/** The same posts as features, by the encoders as they are. */
function featuresOf(): ByModality<ModalityInputs> {
  const features = { image: encode(imageEncoder, contents.image), text: encode(textEncoder, contents.text) };
  return byModality((modality) => ({
    features: named(features[modality], ['batch', 'width']),
    available: named(toTensor(available[modality]), ['batch']),
  }));
}

const labelTensor = (): PerPost => named(toTensor(labels), ['batch']);

describe.each(['drf', 'concatenation'])('withEncoders around %s', (id) => {
  beforeAll(() => tf.setBackend('cpu'));
  const method = methods()[id] as Method;
  const memory = (): TensorTree => upload<TensorTree>(method.createMemory().inputs());

  it.each([
    ['both', { image: imageEncoder, text: textEncoder }],
    ['the text', { text: textEncoder }],
    ['the image', { image: imageEncoder }],
  ])('judges encoded contents as the method judges their features: %s', (_, encoders) => {
    tf.tidy(() => {
      const parameters = upload<MethodParameters>(method.initialParameters(createRandom(1)));
      const features = featuresOf();
      const due = method.loss(parameters, features, labelTensor(), memory());
      const wrapped = withEncoders(method, encoders);
      const read = upload<EncodedBatchInputs>(batchOf(contents.image, contents.text));
      const batch = byModality((modality) => (modality in encoders ? read[modality] : features[modality]));
      const all = upload<MethodParameters>(wrapped.initialParameters(createRandom(1)));
      const result = wrapped.loss(all, batch, labelTensor(), memory());
      expect(result.total.arraySync()).toBeCloseTo(due.total.arraySync() as number, 5);
      const predicted = wrapped.predict(all, batch, memory()).probabilities.dataSync();
      due.prediction.probabilities.dataSync().forEach((value, i) => expect(predicted[i]).toBeCloseTo(value, 5));
    });
  });

  // DRF's targets of recovery are constants to its gradient, but not to differences
  it.runIf(id === 'concatenation')('sends gradients into the encoders that agree with differences', () => {
    tf.tidy(() => {
      const wrapped = withEncoders(method, { image: imageEncoder, text: textEncoder });
      const parameters = wrapped.initialParameters(createRandom(1));
      const batch = upload<EncodedBatchInputs>(batchOf(contents.image, contents.text));
      const loss = (tree: MethodParameters) => wrapped.loss(tree, batch, labelTensor(), memory()).total;
      const { trained, fixed } = upload<MethodParameters>(parameters);
      const { gradients } = valueAndGradients(
        (own) => ({ loss: loss({ trained: own, fixed }), auxiliary: {} }),
        trained,
      );
      const slopesOf = flattenTree<tf.Tensor>(gradients);
      expect(slopesOf.has('encoders.text.frozen')).toBe(false);
      for (const name of ['encoders.text.map.kernel', 'encoders.image.kernel']) {
        const slopes = (slopesOf.get(name) as tf.Tensor).dataSync();
        expect(Math.max(...slopes.map(Math.abs)), name).toBeGreaterThan(1e-3);
        for (const at of [0, 5]) {
          const moved = (by: number): number => {
            const shifted = mapTree(parameters.trained, (leaf: HostTensor, flat) => {
              if (flat !== name) return leaf;
              const data = Float32Array.from(leaf.data);
              data[at] = (data[at] as number) + by;
              return hostTensor(data, leaf.shape);
            });
            return loss({ trained: upload<TensorTree>(shifted), fixed }).arraySync() as number;
          };
          expect((moved(1e-2) - moved(-1e-2)) / 2e-2, `${name}[${at}]`).toBeCloseTo(slopes[at] as number, 2);
        }
      }
    });
  });
});

describe.each(['eager:cpu', 'compiled'])('a step with encoders (%s)', (name) => {
  let engine: Engine;
  beforeAll(async () => void (engine = await createEngine(name)));
  afterAll(() => engine.dispose());

  const wrapped = withEncoders(methods().drf as Method, { image: imageEncoder, text: textEncoder });

  /** Two steps with what the batch says. */
  async function train(batch: Host<EncodedBatchInputs>, rates = { encoder: 1e-3, head: 1e-2, floor: 0 }) {
    const initial = wrapped.initialParameters(createRandom(1));
    const program = await prepareTraining(engine, wrapped, initial, ADAMW_DEFAULTS);
    const memory = wrapped.createMemory();
    const totals: number[] = [];
    for (let step = 0; step < 2; step++) {
      const schedule = stepSchedule(step, 4, rates, ADAMW_DEFAULTS);
      const inputs = { batch, labels, memory: memory.inputs(), schedule };
      const outputs = await program.learn(inputs);
      memory.update(outputs.observations);
      totals.push(outputs.total.data[0] as number);
    }
    const judged = await program.judge({ batch, memory: memory.inputs() });
    const state = await program.readState();
    await program.dispose();
    return { initial, totals, state, judged, memory: memory.state() };
  }

  it('trains what is trained, at the encoders’ rate, and leaves the rest', async () => {
    const { initial, state } = await train(batchOf(contents.image, contents.text), {
      encoder: 1e-4,
      head: 1e-2,
      floor: 0,
    });
    const leavesOf = ({ trained, fixed = {} }: Host<MethodParameters>) =>
      flattenTree<HostTensor>(mergeTrees<HostTensor>(trained, fixed));
    const [before, after] = [leavesOf(initial), leavesOf(state.parameters)];
    const change = (leaf: string): number =>
      Math.max(...[...(after.get(leaf) as HostTensor).data].map((v, i) => Math.abs(v - ((before.get(leaf) as HostTensor).data[i] as number)))); // prettier-ignore
    expect(change('encoders.text.frozen')).toBe(0);
    for (const leaf of ['encoders.text.map.kernel', 'encoders.image.kernel']) {
      expect(change(leaf), leaf).toBeGreaterThan(1e-5);
      expect(change(leaf), leaf).toBeLessThan(3e-4);
    }
    expect(change('classifier.kernel')).toBeGreaterThan(5e-3);
    const moments = flattenTree<HostTensor>(state.moments.first);
    expect(moments.has('encoders.text.frozen')).toBe(false);
    expect(moments.has('encoders.text.map.kernel')).toBe(true);
  });

  it('lets nothing of a missing modality count: loss, parameters, queues, answers', async () => {
    const garbage = (tree: HostTree, post: number, random: Random): HostTree =>
      mapTree(tree, (leaf: HostTensor, leafName) => {
        const data = leaf.data.slice();
        const width = data.length / POSTS;
        for (let i = 0; i < width; i++) data[post * width + i] = leafName === 'mask' ? 1 : random.integer(7);
        return hostTensor(data, leaf.shape);
      });
    const due = await train(batchOf(contents.image, contents.text));
    const random = createRandom(5);
    const other = await train(batchOf(garbage(contents.image, 3, random), garbage(contents.text, 4, random)));
    expect(other).toEqual(due);
  });
});

describe('withEncoders around a method that reads tokens', () => {
  beforeAll(() => tf.setBackend('cpu'));
  const shapes = { ...SHAPES, tokens: { image: { count: 4, dim: 3 }, text: { count: 4, dim: 3 } } };
  const method: Method = createHsan({ dim: 4 }, shapes);
  let passes = 0;
  const ofPlaces = (_: TensorTree, { pixels }: TensorTree): TokenInputs => ({
    tokens: named(tf.reshape(pixels as tf.Tensor, [POSTS, 4, 3]), ['batch', 'token', 'dim']),
    mask: named(tf.ones([POSTS, 4]), ['batch', 'token']),
  });
  const ofWords = (parameters: TensorTree, { ids, mask }: TensorTree): TokenInputs => ({
    tokens: named(tf.gather(parameters.frozen as tf.Tensor, tf.cast(ids as tf.Tensor, 'int32')), [
      'batch',
      'token',
      'dim',
    ]),
    mask: named(mask as tf.Tensor, ['batch', 'token']),
  });

  /** An encoder with tokens, whose passes are counted. */
  const withTokens = (encoder: StepEncoder, tokensOf: typeof ofPlaces): StepEncoder => {
    const apply: StepEncoder['apply'] = (...given) => {
      passes++;
      return encoder.apply(...given);
    };
    const applyTokens = (tree: TensorTree, inputs: TensorTree): EncodedTokens => ({
      features: apply(tree, inputs),
      ...tokensOf(tree, inputs),
    });
    return { ...encoder, apply, applyTokens };
  };

  it('computes its tokens in the step, as if they had come ready-made, in one pass', () => {
    tf.tidy(() => {
      const encoders = { image: withTokens(imageEncoder, ofPlaces), text: withTokens(textEncoder, ofWords) };
      const joined = withEncoders(method, encoders);
      expect(joined.needs).toEqual({ tokens: true, bothModalities: true });
      const parameters = upload<MethodParameters>(joined.initialParameters(createRandom(1)));
      const batch = upload<EncodedBatchInputs>(batchOf(contents.image, contents.text));
      const { image, text } = featuresOf();
      const words = upload<TensorTree>(textEncoder.initialParameters);
      const ready: BatchInputs = {
        image: { ...image, tokens: ofPlaces({}, upload<TensorTree>(contents.image)) },
        text: { ...text, tokens: ofWords(words, upload<TensorTree>(contents.text)) },
      };
      const expected = [...method.predict(parameters, ready, {}).logits.dataSync()];
      passes = 0;
      expect([...joined.predict(parameters, batch, {}).logits.dataSync()]).toEqual(expected);
      expect(passes).toBe(2); // one an encoder
    });
  });

  it('refuses an encoder without tokens by the method’s name', () => {
    const joined = withEncoders(method, { image: imageEncoder, text: textEncoder });
    tf.tidy(() => {
      const parameters = upload<MethodParameters>(joined.initialParameters(createRandom(1)));
      const batch = upload<EncodedBatchInputs>(batchOf(contents.image, contents.text));
      expect(() => joined.predict(parameters, batch, {})).toThrow(
        'Method hsan expected token-level outputs of the image encoder, received an encoder without applyTokens',
      );
    });
  });
});

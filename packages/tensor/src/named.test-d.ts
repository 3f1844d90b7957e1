// Type tests: nothing here runs. `pnpm typecheck` compiles this file, and fails where a line below an
// `@ts-expect-error` does compile, so each of them proves that a wrong use is refused.
import type * as tf from '@tensorflow/tfjs';
import { expectTypeOf } from 'vitest';
import { hostScalar, hostTensor, named } from './index.js';
import type {
  ClassScores,
  Engine,
  Features,
  FeatureVector,
  Host,
  HostTensor,
  HostTree,
  Modality,
  Named,
  NamedHost,
  PerPair,
  PerPost,
  QueueRows,
  Scalar,
  TensorTree,
} from './index.js';

declare const tensor: tf.Tensor;
declare const matrix: tf.Tensor2D;
declare const features: Features;
declare const queueRows: QueueRows;
declare const perPost: PerPost;
declare const scalar: Scalar;
declare const engine: Engine;

declare function score(features: Features, available: PerPost): ClassScores;

// The axes' order is part of the type.
expectTypeOf(named(tensor, ['batch', 'dim'])).toEqualTypeOf<Features>();
score(named(tensor, ['batch', 'dim']), perPost);
// @ts-expect-error [dim, batch] where [batch, dim] is due
score(named(tensor, ['dim', 'batch']), perPost);
// @ts-expect-error a tensor without names where [batch, dim] is due
score(tensor, perPost);
// @ts-expect-error a rank alone is not enough
score(matrix, perPost);

// Equal ranks with other meanings do not mix.
// @ts-expect-error rows of a queue are not rows of a batch
score(queueRows, perPost);
// @ts-expect-error class scores are not features
score(score(features, perPost), perPost);
// @ts-expect-error [batch, pair] is not [batch, dim]
score(named(tensor, ['batch', 'pair']) satisfies PerPair, perPost);
// @ts-expect-error [dim] is not [batch]
score(features, named(tensor, ['dim']) satisfies FeatureVector);

// Ranks do not mix.
// @ts-expect-error a scalar is not one number a post
score(features, scalar);
// @ts-expect-error an axis is missing
score(named(tensor, ['batch']), perPost);
// @ts-expect-error an axis is too many
score(named(tensor, ['batch', 'dim', 'pair']), perPost);
// @ts-expect-error arguments in the wrong order
score(perPost, features);

// Names survive as literals, and a named tensor is still a tensor that tfjs takes.
expectTypeOf(named(tensor, ['in', 'out'])).toEqualTypeOf<Named<['in', 'out']>>();
expectTypeOf(features).toExtend<tf.Tensor>();
expectTypeOf<Named<[]>>().toEqualTypeOf<Scalar>();
// @ts-expect-error what tfjs returns has lost its names, and has to be named again
({}) as unknown as tf.Tensor satisfies Features;

// Host trees mirror tensor trees, leaf by leaf.
type Layer = { readonly kernel: Named<['in', 'out']>; readonly inner: { readonly bias: Named<['out']> } };
expectTypeOf<Host<Layer>['kernel']>().toEqualTypeOf<NamedHost<['in', 'out']>>();
expectTypeOf<Host<Layer>['inner']['bias']>().toEqualTypeOf<NamedHost<['out']>>();
expectTypeOf<Layer>().toExtend<TensorTree>();
expectTypeOf<Host<Layer>>().toExtend<HostTree>();
({ kernel: hostScalar(1), inner: { bias: hostScalar(2) } }) satisfies Host<Layer>;
// @ts-expect-error a leaf is missing
({ kernel: hostScalar(1), inner: {} }) satisfies Host<Layer>;
// @ts-expect-error numbers are typed arrays of 32 bits
({ shape: [1], dtype: 'float32', data: new Float64Array(1) }) satisfies HostTensor;
// @ts-expect-error host tensors cannot be changed in place
hostTensor([1], [1]).shape = [2];

// An engine's program keeps the types of the function that it was made of.
async function run(): Promise<void> {
  const program = await engine.prepare(
    (constants: { readonly weight: Scalar }, inputs: { readonly rows: Features }) => ({
      result: named(inputs.rows.mul(constants.weight), ['batch', 'dim']),
    }),
    { weight: hostScalar(2) },
  );
  const outputs = await program.run({ rows: hostTensor([1, 2], [1, 2]) });
  expectTypeOf(outputs.result).toEqualTypeOf<NamedHost<['batch', 'dim']>>();
  // @ts-expect-error rows of a batch where rows of a queue are due
  outputs.result satisfies NamedHost<['capacity', 'dim']>;
  // @ts-expect-error no such input
  await program.run({ columns: hostTensor([1, 2], [1, 2]) });
  // @ts-expect-error constants of another name
  await engine.prepare((constants: { readonly weight: Scalar }) => constants, { wait: hostScalar(2) });
  // @ts-expect-error the new state must have the old one's type
  await engine.prepareStep((state: { readonly sum: Scalar }) => ({ state: { total: state.sum }, outputs: {} }), {
    sum: hostScalar(0),
  });
}
void run;

expectTypeOf<Modality>().toEqualTypeOf<'image' | 'text'>();

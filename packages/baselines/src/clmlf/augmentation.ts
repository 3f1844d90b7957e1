import {
  CheckpointError,
  createRandom,
  hostTensor,
  ShapeMismatchError,
  type HostTensor,
  type HostTree,
  type Host,
  type Named,
} from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import type { Sequence } from '@drf/layers';
import type { Memory } from '@drf/model';

/** Posts whose numbers are drawn at once; larger batches use them again. */
const ROWS = 64;

/** Chances of tokens to be hidden, uniform over [0, 1). */
export type AugmentationInputs = { readonly chances: Named<['row', 'token']> };

/**
 * The random numbers of each step's augmentation. A step is pure, so they come in from outside: drawn from the seed and
 * the number of steps done, the same after a resume.
 */
export class AugmentationMemory implements Memory<AugmentationInputs> {
  private steps = 0;

  constructor(
    private readonly seed: number,
    private readonly tokens: number,
  ) {}

  /** `chances` [64, tokens], uniform over [0, 1). */
  inputs(): Host<AugmentationInputs> {
    const random = createRandom(this.seed).fork('augmentation').fork(this.steps);
    const chances = Float32Array.from({ length: ROWS * this.tokens }, () => random.uniform());
    return { chances: hostTensor(chances, [ROWS, this.tokens]) };
  }

  update(): void {
    this.steps++;
  }

  state(): HostTree {
    return { steps: hostTensor(Int32Array.of(this.steps), []) };
  }

  restore(state: HostTree): void {
    const steps = state.steps as HostTensor | undefined;
    if (steps === undefined) {
      throw new CheckpointError({
        subject: 'CLMLF memory',
        expected: '"steps"',
        received: `names ${Object.keys(state).join(', ') || '(none)'}`,
        remedy: 'this checkpoint belongs to another method',
      });
    }
    this.steps = Number(steps.data[0]);
  }
}

/** Shares of what is hidden in the augmented view. */
export const HIDDEN_SHARE = { word: 0.2, place: 0.3 };

/**
 * The same tokens with some of them hidden: those whose chance lies below the share. The first one, which stands for the
 * whole, stays.
 * @param chances [64, at least token − 1]
 * @throws ShapeMismatchError when there are fewer
 */
export function hideTokens({ states, mask }: Sequence, chances: tf.Tensor, share: number): Sequence {
  const [batch, length] = mask.shape as [number, number];
  const drawn = chances.shape[1] as number;
  if (drawn < length - 1) {
    throw new ShapeMismatchError({
      subject: 'CLMLF, chances of hiding tokens,',
      expected: `[${ROWS}, at least ${length - 1}], one for each token`,
      received: `[${chances.shape.join(', ')}]`,
      remedy: 'create the method with the token counts that its encoders give (MethodShapes.tokens)',
    });
  }
  const rows = tf.gather(
    chances as tf.Tensor2D,
    Array.from({ length: batch }, (_, post) => post % ROWS),
  );
  const stays = tf.cast(tf.greaterEqual(tf.slice(rows, [0, 0], [batch, length - 1]), share), 'float32');
  return { states, mask: tf.mul(mask, tf.concat([tf.ones([batch, 1]), stays], 1)) };
}

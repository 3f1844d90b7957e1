import { acceptedRows, FeatureQueue } from '@drf/distribution';
import {
  CheckpointError,
  floatData,
  hostScalar,
  hostTensor,
  type HostTensor,
  type HostTree,
  type QueueRows,
  type Scalar,
} from '@drf/tensor';
import type * as tf from '@tensorflow/tfjs';
import type { Memory } from './method.js';

/** The queues as the step reads them. */
export type DrfMemoryInputs = {
  /** Q_v, [capacity, dim] */
  readonly imageQueue: QueueRows;
  /** [capacity], summing to 1 */
  readonly imageRowWeights: tf.Tensor;
  readonly textQueue: QueueRows;
  readonly textRowWeights: tf.Tensor;
  /** 1 once both queues hold two rows, else 0. [] */
  readonly ready: Scalar;
};

/** What a step tells the queues, per modality: features [batch, dim], available and density [batch], threshold []. */
export type DrfObservations = {
  readonly [Name in 'image' | 'text']: {
    readonly features: tf.Tensor;
    readonly available: tf.Tensor;
    readonly density: tf.Tensor;
    readonly threshold: tf.Tensor;
  };
};

/**
 * DRF's memory: one feature queue a modality. Reading and enqueueing are two calls.
 *
 * What {@link inputs} gives is laid out in two sets of arrays in turn, so it stays as it is until the call after the
 * next. New arrays at every step would make V8 collect garbage for as long as the step itself takes: memory outside its
 * heap counts toward the next full collection.
 */
export class DrfMemory implements Memory {
  private queues: { image: FeatureQueue; text: FeatureQueue };
  private readonly layouts: { image?: Float32Array; text?: Float32Array }[] = [{}, {}];

  constructor(private readonly size: { readonly capacity: number; readonly dim: number }) {
    this.queues = { image: new FeatureQueue(size), text: new FeatureQueue(size) };
  }

  /** The queue of a modality, to look at. */
  queue(modality: 'image' | 'text'): FeatureQueue {
    return this.queues[modality];
  }

  inputs(): { [Name in keyof DrfMemoryInputs]: HostTensor } {
    const { image, text } = this.queues;
    const layout = this.layouts.shift() as { image?: Float32Array; text?: Float32Array };
    this.layouts.push(layout);
    const { capacity, dim } = this.size;
    return {
      imageQueue: image.rows((layout.image ??= new Float32Array(capacity * dim))),
      imageRowWeights: image.rowWeights(),
      textQueue: text.rows((layout.text ??= new Float32Array(capacity * dim))),
      textRowWeights: text.rowWeights(),
      ready: hostScalar(image.ready && text.ready ? 1 : 0),
    };
  }

  /** Enqueues by Eq. 13. @param observations {@link DrfObservations} as host tensors */
  update(observations: HostTree): void {
    for (const modality of ['image', 'text'] as const) {
      const seen = observations[modality] as { readonly [name: string]: HostTensor };
      const queue = this.queues[modality];
      const accepted = acceptedRows({
        available: floatData(seen.available as HostTensor),
        density: floatData(seen.density as HostTensor),
        threshold: floatData(seen.threshold as HostTensor)[0] as number,
        filledOnce: queue.filledOnce,
      });
      queue.enqueue(seen.features as HostTensor, accepted);
    }
  }

  state(): HostTree {
    const stateOf = (queue: FeatureQueue): HostTree => {
      const { rows, enqueued } = queue.state();
      return { rows: hostTensor(rows, [queue.size, queue.dim]), enqueued: hostTensor(Int32Array.of(enqueued), []) };
    };
    return { imageQueue: stateOf(this.queues.image), textQueue: stateOf(this.queues.text) };
  }

  restore(state: HostTree): void {
    const restored = (name: string): FeatureQueue => {
      const saved = state[name] as { readonly rows?: HostTensor; readonly enqueued?: HostTensor } | undefined;
      if (saved?.rows === undefined || saved.enqueued === undefined) {
        throw new CheckpointError({
          subject: 'DRF memory',
          expected: `"${name}" with rows and enqueued`,
          received: `names ${Object.keys(state).join(', ') || '(none)'}`,
          remedy: 'this checkpoint belongs to another method',
        });
      }
      const enqueued = Number(saved.enqueued.data[0]);
      const due = [Math.min(enqueued, this.size.capacity), this.size.dim];
      if (saved.rows.shape.join() !== due.join()) throw otherSize(name, due, saved.rows.shape);
      return FeatureQueue.restore({ ...this.size, rows: floatData(saved.rows), enqueued });
    };
    this.queues = { image: restored('imageQueue'), text: restored('textQueue') };
  }
}

function otherSize(name: string, due: readonly number[], received: readonly number[]): CheckpointError {
  return new CheckpointError({
    subject: `DRF memory "${name}"`,
    expected: `rows [${due.join(', ')}]`,
    received: `[${received.join(', ')}]`,
    remedy: 'this checkpoint belongs to a configuration with queues of another size',
  });
}

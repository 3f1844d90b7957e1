import { FeatureQueue } from '@drf/distribution';
import {
  byModality,
  CheckpointError,
  floatData,
  hostScalar,
  hostTensor,
  MODALITIES,
  type ByModality,
  type Features,
  type Host,
  type HostTree,
  type Modality,
  type Named,
  type PerPost,
  type QueueRows,
  type Scalar,
} from '@drf/tensor';
import type { Memory } from './method.js';

/** A queue as a step reads it. */
export type QueueInputs = {
  /** Q, [capacity, dim] */
  readonly rows: QueueRows;
  /** [capacity], summing to 1 */
  readonly rowWeights: Named<['capacity']>;
  /** 1 once the queue has been filled, else 0. [] */
  readonly filledOnce: Scalar;
};

/** Both queues, and whether their statistics mean anything: 1 once both hold two rows, else 0, []. */
export type DrfMemoryInputs = ByModality<QueueInputs> & { readonly ready: Scalar };

/** What a step tells the queues: features [batch, dim], and which of them enter [batch]. */
export type DrfObservations = ByModality<{ readonly features: Features; readonly admitted: PerPost }>;

/**
 * DRF's memory: one feature queue a modality. Reading and enqueueing are two calls.
 *
 * What {@link inputs} gives is laid out in two sets of arrays in turn, so it stays as it is until the call after the
 * next. New arrays at every step would make V8 collect garbage for as long as the step itself takes: memory outside its
 * heap counts toward the next full collection.
 */
export class DrfMemory implements Memory<DrfMemoryInputs, DrfObservations> {
  private queues: ByModality<FeatureQueue>;
  private layouts: readonly ByModality<Float32Array>[];

  constructor(private readonly size: { readonly capacity: number; readonly dim: number }) {
    this.queues = byModality(() => new FeatureQueue(size));
    const room = () => byModality(() => new Float32Array(size.capacity * size.dim));
    this.layouts = [room(), room()];
  }

  /** The queue of a modality, to look at. */
  queue(modality: Modality): FeatureQueue {
    return this.queues[modality];
  }

  inputs(): Host<DrfMemoryInputs> {
    const [layout, next] = this.layouts as [ByModality<Float32Array>, ByModality<Float32Array>];
    this.layouts = [next, layout];
    const { image, text } = this.queues;
    return {
      ...byModality((modality) => {
        const queue = this.queues[modality];
        return {
          rows: queue.rows(layout[modality]),
          rowWeights: queue.rowWeights(),
          filledOnce: hostScalar(queue.filledOnce ? 1 : 0),
        };
      }),
      ready: hostScalar(image.ready && text.ready ? 1 : 0),
    };
  }

  /** Enqueues what a step admitted: after the step has read the queues. */
  update(observations: Host<DrfObservations>): void {
    for (const modality of MODALITIES) {
      const { features, admitted } = observations[modality];
      this.queues[modality].enqueue(features, admitted);
    }
  }

  state(): Host<ByModality<{ readonly queue: SavedQueue }>> {
    return byModality((modality) => {
      const queue = this.queues[modality];
      const { rows, enqueued } = queue.state();
      return {
        queue: { rows: hostTensor(rows, [queue.size, queue.dim]), enqueued: hostTensor(Int32Array.of(enqueued), []) },
      };
    });
  }

  restore(state: HostTree): void {
    this.queues = byModality((modality) => {
      const saved = (state[modality] as HostTree | undefined)?.queue as Partial<Host<SavedQueue>> | undefined;
      const subject = `DRF memory "${modality}.queue"`;
      if (saved?.rows === undefined || saved.enqueued === undefined) {
        throw new CheckpointError({
          subject,
          expected: 'rows and enqueued',
          received: `names ${Object.keys(state).join(', ') || '(none)'}`,
          remedy: 'this checkpoint belongs to another method',
        });
      }
      const enqueued = Number(saved.enqueued.data[0]);
      const due = [Math.min(enqueued, this.size.capacity), this.size.dim];
      if (saved.rows.shape.join() !== due.join()) throw otherSize(subject, due, saved.rows.shape);
      return FeatureQueue.restore({ ...this.size, rows: floatData(saved.rows), enqueued });
    });
  }
}

type SavedQueue = { readonly rows: Features; readonly enqueued: Scalar };

function otherSize(subject: string, due: readonly number[], received: readonly number[]): CheckpointError {
  return new CheckpointError({
    subject,
    expected: `rows [${due.join(', ')}]`,
    received: `[${received.join(', ')}]`,
    remedy: 'this checkpoint belongs to a configuration with queues of another size',
  });
}

import {
  CheckpointError,
  floatData,
  hostTensor,
  type Features,
  type Host,
  type HostTensor,
  type HostTree,
  type Named,
  type PerPost,
} from '@drf/tensor';
import type { Memory } from '@drf/model';

/** Class centroids as the step reads them. */
export type CentroidInputs = {
  /** [classes, dim]; zeros for a class that no post had yet. */
  readonly centroids: Named<['classes', 'dim']>;
  /** [classes], 1 once a post of the class was seen. */
  readonly known: Named<['classes']>;
};

/** What a step tells of the batch: fused features [batch, dim] and labels [batch]. */
export type CentroidObservations = { readonly features: Features; readonly labels: PerPost };

/** How much of the old centroid stays at an update. */
const CENTROID_DECAY = 0.9;

/** One centroid a class, a moving average of the fused features of its posts. */
export class CentroidMemory implements Memory<CentroidInputs, CentroidObservations> {
  private centroids: Float32Array;
  private known: Float32Array;

  constructor(
    private readonly classes: number,
    private readonly dim: number,
  ) {
    this.centroids = new Float32Array(classes * dim);
    this.known = new Float32Array(classes);
  }

  inputs(): Host<CentroidInputs> {
    return {
      centroids: hostTensor(this.centroids.slice(), [this.classes, this.dim]),
      known: hostTensor(this.known.slice(), [this.classes]),
    };
  }

  /** Of each class in the batch: the mean of its features, taken over at first, then mixed in at 1 − 0.9. */
  update(observations: Host<CentroidObservations>): void {
    const features = floatData(observations.features);
    const labels = observations.labels.data;
    const sums = new Float64Array(this.classes * this.dim);
    const counts = new Float64Array(this.classes);
    labels.forEach((label, post) => {
      counts[label] = (counts[label] as number) + 1;
      for (let i = 0; i < this.dim; i++) {
        const place = label * this.dim + i;
        sums[place] = (sums[place] as number) + (features[post * this.dim + i] as number);
      }
    });
    counts.forEach((count, label) => {
      if (count === 0) return;
      const decay = this.known[label] === 1 ? CENTROID_DECAY : 0;
      for (let i = label * this.dim; i < (label + 1) * this.dim; i++) {
        this.centroids[i] = decay * (this.centroids[i] as number) + (1 - decay) * ((sums[i] as number) / count);
      }
      this.known[label] = 1;
    });
  }

  state(): HostTree {
    return this.inputs();
  }

  restore(state: HostTree): void {
    const saved = state as { readonly centroids?: HostTensor; readonly known?: HostTensor };
    const due = [this.classes, this.dim].join(', ');
    if (saved.centroids === undefined || saved.known === undefined || saved.centroids.shape.join(', ') !== due) {
      throw new CheckpointError({
        subject: 'MVCN memory',
        expected: `centroids [${due}] and known`,
        received: saved.centroids === undefined ? 'none' : `[${saved.centroids.shape.join(', ')}]`,
        remedy: 'this checkpoint belongs to another method or configuration',
      });
    }
    this.centroids = floatData(saved.centroids).slice();
    this.known = floatData(saved.known).slice();
  }
}

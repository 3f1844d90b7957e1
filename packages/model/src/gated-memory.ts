import { QualityModel, type FittedQuality } from '@drf/distribution';
import {
  CheckpointError,
  floatData,
  hostScalar,
  hostTensor,
  type HostTensor,
  type HostTree,
  type Random,
  type Scalar,
} from '@drf/tensor';
import type * as tf from '@tensorflow/tfjs';
import { DrfMemory, type DrfMemoryInputs, type DrfObservations } from './drf-memory.js';
import type { Memory } from './method.js';

/** DRF's queues, and what intact encoder outputs look like. */
export type GatedMemoryInputs = DrfMemoryInputs & {
  readonly imageQuality: FittedQuality<tf.Tensor>;
  readonly textQuality: FittedQuality<tf.Tensor>;
  /** 1 once both Gaussians are fitted, else 0. [] */
  readonly fitted: Scalar;
};

/** What a step tells the memory: of the features as DRF does, and the encoder outputs themselves, [batch, width]. */
export type GatedObservations = DrfObservations & {
  readonly encoded: { readonly image: tf.Tensor; readonly text: tf.Tensor };
};

/** Sizes of the memory of both modalities. */
export interface GatedMemoryOptions {
  readonly capacity: number;
  readonly dim: number;
  readonly rank: number;
  readonly imageDim: number;
  readonly textDim: number;
}

const MODALITIES = ['image', 'text'] as const;

/**
 * The memory of gated DRF: DRF's queues of features, and a {@link QualityModel} of each encoder's outputs. Only what is
 * known to be intact enters either, so that corrupted posts, which look alike, never pass for the norm.
 */
export class GatedMemory implements Memory {
  private readonly features: DrfMemory;
  private readonly quality: { readonly image: QualityModel; readonly text: QualityModel };

  constructor({ capacity, dim, rank, imageDim, textDim }: GatedMemoryOptions) {
    this.features = new DrfMemory({ capacity, dim });
    this.quality = {
      image: new QualityModel({ capacity, width: imageDim, rank }),
      text: new QualityModel({ capacity, width: textDim, rank }),
    };
  }

  inputs(): HostTree {
    const { image, text } = this.quality;
    return {
      ...this.features.inputs(),
      imageQuality: image.inputs(),
      textQuality: text.inputs(),
      fitted: hostScalar(image.ready && text.ready ? 1 : 0),
    };
  }

  /**
   * Takes in what a step observed: the intact features enter the queues.
   * @param observations {@link GatedObservations} as host tensors
   */
  update(observations: HostTree): void {
    this.features.update(observations);
    const encoded = observations.encoded as { readonly [name: string]: HostTensor };
    for (const modality of MODALITIES) {
      const seen = observations[modality] as { readonly available: HostTensor };
      const intact = Array.from(floatData(seen.available), (value) => value > 0);
      this.quality[modality].enqueue(encoded[modality] as HostTensor, intact);
    }
  }

  /** Refits the Gaussians of encoder outputs; the queues of features, which say nothing of quality, stay. */
  refitted(observations: HostTree, kept: readonly number[], random: Random): HostTree {
    const of = (modality: 'image' | 'text'): FittedQuality => {
      const { moments } = this.quality[modality].inputs();
      const rows = intactRows(observations, modality, kept);
      return { gaussian: this.quality[modality].refitted(rows, random.fork(modality)), moments };
    };
    return { ...this.inputs(), imageQuality: of('image'), textQuality: of('text') };
  }

  state(): HostTree {
    const { image, text } = this.quality;
    return { ...this.features.state(), imageQuality: image.state(), textQuality: text.state() };
  }

  restore(state: HostTree): void {
    this.features.restore(state);
    for (const modality of MODALITIES) {
      const saved = state[`${modality}Quality`] as HostTree | undefined;
      if (saved === undefined) throw withoutQuality(modality, state);
      this.quality[modality].restore(saved, `DRF memory "${modality}Quality"`);
    }
  }
}

/** Encoder outputs of some posts that would enter the queue. [rows, width] */
function intactRows(observations: HostTree, modality: 'image' | 'text', kept: readonly number[]): HostTensor {
  const { available } = observations[modality] as { readonly available: HostTensor };
  const encoded = (observations.encoded as { readonly [name: string]: HostTensor })[modality] as HostTensor;
  const width = encoded.shape[1] as number;
  const places = kept.filter((place) => (available.data[place] as number) > 0);
  const data = new Float32Array(places.length * width);
  places.forEach((place, row) =>
    data.set(floatData(encoded).subarray(place * width, (place + 1) * width), row * width),
  );
  return hostTensor(data, [places.length, width]);
}

function withoutQuality(modality: string, state: HostTree): CheckpointError {
  return new CheckpointError({
    subject: 'DRF memory',
    expected: `"${modality}Quality"`,
    received: `names ${Object.keys(state).join(', ') || '(none)'}`,
    remedy: 'this checkpoint belongs to another method, perhaps to drf-paper or drf-adapted',
  });
}

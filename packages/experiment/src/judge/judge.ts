import {
  byModality,
  type ByModality,
  type Engine,
  type HostTensor,
  type HostTree,
  type Modality,
  type TensorTree,
} from '@drf/tensor';
import { tellsStates, type EncodedMethod } from '@drf/model';
import { selectPosts, type PostSet } from '../feature-set.js';
import type { OpenedRun } from '../open-run.js';
import { Predictor } from '../predictor.js';

/** A run's answers on the posts of one cell. */
export interface Judged {
  /** [posts, classes] */
  readonly probabilities: Float32Array;
  readonly quality: Quality | null;
  /**
   * How much likelier each output is among intact ones than among corrupted ones, in nats, [posts]; null for a modality of
   * which the run cannot tell.
   */
  readonly logLikelihoodRatio: Readonly<Record<Modality, Float32Array | null>>;
  /** Everything that the method says of its posts, batch by batch; empty unless asked for. */
  readonly details: readonly HostTree[];
}

/** Posts judged between two reports; a multiple of the predictor's own batches. */
const POSTS_A_PART = 1024;

/** A run's model, prepared once for all cells. */
export class Judge {
  /** Modalities of which the run can tell intact outputs from corrupted ones. */
  private readonly known: ByModality<boolean>;

  private constructor(
    private readonly run: OpenedRun,
    private readonly predictor: Predictor,
    private readonly withDetails: boolean,
  ) {
    this.known = tellsStates(run.parameters);
  }

  /**
   * Prepares a run’s method for single posts.
   * @param withDetails whether verdicts bring the method’s further outputs
   */
  static create(engine: Engine, run: OpenedRun, withDetails = false): Judge {
    const method = withDetails ? run.method : withQualityOnly(run.method);
    return new Judge(run, Predictor.create(engine, method, true), withDetails);
  }

  /**
   * @param memory in place of the run's own
   * @throws the signal's reason when aborted
   */
  async judge(
    set: PostSet,
    onProgress: (done: number, total: number) => void,
    signal?: AbortSignal,
    memory: HostTree = this.run.memory,
  ): Promise<Judged> {
    const total = set.ids.length;
    const parts: Float32Array[] = [];
    const details: (HostTree | undefined)[] = [];
    for (let start = 0; start < total; start += POSTS_A_PART) {
      const count = Math.min(POSTS_A_PART, total - start);
      const part = selectPosts(
        set,
        Array.from({ length: count }, (_, i) => start + i),
      );
      const predictions = await this.predictor.predict(part, this.run.parameters, memory, { signal });
      parts.push(predictions.probabilities);
      details.push(...predictions.details);
      onProgress(start + part.ids.length, total);
    }
    const probabilities = Float32Array.from(parts.flatMap((part) => [...part]));
    const measured = (name: string): Quality | null => qualityOf(details.map((batch) => batch?.[name] as HostTree | undefined)); // prettier-ignore
    return {
      probabilities,
      quality: this.knowsDistributions() ? measured('logDensity') : null,
      logLikelihoodRatio: byModality((modality) =>
        this.known[modality] ? (measured('logLikelihoodRatio')?.[modality] ?? null) : null,
      ),
      details: this.withDetails ? details.map((batch) => batch ?? {}) : [],
    };
  }

  /** Frees what it holds; it cannot be used afterwards. */
  dispose(): Promise<void> {
    return this.predictor.dispose();
  }

  /** DRF's densities mean nothing before its queues hold two rows. */
  private knowsDistributions(): boolean {
    const ready = this.run.memory.ready as { readonly data?: ArrayLike<number> } | undefined;
    return ready?.data?.[0] !== 0;
  }
}

/** Log relative density of each post's features, [posts] a modality: DRF's estimate of quality (Eq. 9). */
export type Quality = Readonly<Record<Modality, Float32Array>>;

/** The method with only what says something of quality among its details, so that features are not kept for every post. */
function withQualityOnly(method: EncodedMethod): EncodedMethod {
  return {
    ...method,
    predict: (parameters, batch, memory) => {
      const prediction = method.predict(parameters, batch, memory);
      const measured = ['logDensity', 'logLikelihoodRatio'].flatMap((name) => {
        const { image, text } = (prediction.details[name] ?? {}) as TensorTree;
        return image === undefined || text === undefined ? [] : [[name, { image, text }] as const];
      });
      return { ...prediction, details: Object.fromEntries(measured) };
    },
  };
}

/**
 * Qualities of all posts from the details of each batch; null where the method gives none (an empty tree does not come
 * back from an engine).
 */
export function qualityOf(details: readonly (HostTree | undefined)[]): Quality | null {
  const joined = (modality: Modality): Float32Array | null => {
    const parts = details.map((batch) => (batch?.[modality] as HostTensor | undefined)?.data);
    if (parts.length === 0 || parts.some((part) => part === undefined)) return null;
    return Float32Array.from(parts.flatMap((part) => [...(part as Float32Array)]));
  };
  const [image, text] = [joined('image'), joined('text')];
  return image === null || text === null ? null : { image, text };
}

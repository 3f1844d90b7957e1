import { joinParts, type EncodedBatchInputs, type MethodParameters } from '@drf/model';
import type { Engine, HostTree, PerPost, Random, TensorTree } from '@drf/tensor';
import { gatherBatch, selectPosts, type PostSet } from '../feature-set.js';
import type { Judge, Quality } from '../judge/judge.js';
import type { OpenedRun } from '../open-run.js';

/** Parts that posts are divided into: few posts into more, so that each fit lacks next to none. */
function partsOf(posts: number): number {
  return Math.min(posts, Math.max(10, Math.min(40, Math.round(4000 / posts))));
}

/** Posts that are measured at most: their features are held in memory. */
const MOST_POSTS = 2000;
const POSTS_AT_ONCE = 32;

/** How many of so many training posts are cross-fitted. */
export function crossFittedPosts(train: number): number {
  return Math.min(train, MOST_POSTS);
}

/** What cross-fitting needs. */
export interface CrossFitSources {
  readonly engine: Engine;
  /** With {@link OpenedRun.refitted}. */
  readonly run: OpenedRun;
  readonly judge: Judge;
  readonly train: PostSet;
  readonly random: Random;
  readonly onProgress: (done: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Densities of training posts by distributions that do not know them: the posts are divided into parts at random (10,
 * up to 40 for few posts), and for each the memory's distributions are fitted anew to as many rows of the other parts.
 * @returns the posts (2000 of them at most, in a random order) with the quality of each
 * @throws the signal's reason when aborted
 */
export async function crossFittedQuality(sources: CrossFitSources): Promise<{ set: PostSet; quality: Quality }> {
  const { run, judge, train, random, onProgress, signal } = sources;
  const order = random.fork('posts').shuffle(Array.from(train.ids.keys())).slice(0, crossFittedPosts(train.ids.length));
  const set = selectPosts(train, order);
  const observed = await observe(sources, set);
  const count = set.ids.length;
  const quality = { image: new Float32Array(count), text: new Float32Array(count) };
  const parts = partsOf(count);
  for (let part = 0; part < parts; part++) {
    signal?.throwIfAborted();
    const [own, others] = divide(count, (place) => place % parts === part);
    const memory = run.refitted?.(observed, others, random.fork(part));
    const judged = await judge.judge(selectPosts(set, own), () => undefined, signal, memory);
    own.forEach((place, i) => {
      quality.image[place] = judged.quality?.image[i] ?? 0;
      quality.text[place] = judged.quality?.text[i] ?? 0;
    });
    onProgress(Math.round((train.ids.length * (part + 1)) / parts));
  }
  return { set, quality };
}

function divide(count: number, isOwn: (place: number) => boolean): [own: number[], others: number[]] {
  const places = Array.from({ length: count }, (_, place) => place);
  return [places.filter(isOwn), places.filter((place) => !isOwn(place))];
}

type Observed = { readonly observations: TensorTree };
type Labeled = { readonly batch: EncodedBatchInputs; readonly labels: PerPost; readonly memory: TensorTree };

/** What a training step would tell the memory of the posts, at the run's parameters. */
async function observe({ engine, run, signal }: CrossFitSources, set: PostSet): Promise<HostTree> {
  const program = await engine.prepareStep<MethodParameters, Labeled, Observed>(
    (state, { batch, labels, memory }) => ({
      state,
      outputs: { observations: run.method.loss(state, batch, labels, memory).observations },
    }),
    run.parameters,
  );
  try {
    const outputs: HostTree[] = [];
    const sizes: number[] = [];
    for (let start = 0; start < set.ids.length; start += POSTS_AT_ONCE) {
      signal?.throwIfAborted();
      const size = Math.min(POSTS_AT_ONCE, set.ids.length - start);
      const gathered = await gatherBatch(
        set,
        Array.from({ length: size }, (_, i) => start + i),
      );
      const step = await program.step({ ...gathered, memory: run.memory });
      outputs.push(step.observations);
      sizes.push(size);
    }
    return joinParts(outputs, sizes);
  } finally {
    await program.dispose();
  }
}

import { ConfigurationError, createRandom, type Modality, type Post, type Random } from '@drf/tensor';
import { countWords } from './corrupt-text.js';
import { drawFraction } from './fraction.js';
import { drawSplitMixSeed, type SplitMixSeed } from './split-mix.js';
import { assertStrategy, type Operation, type Seed, type Setting, type Strategy } from './strategy.js';

/** What the plan must know of a post. */
export interface PostPresence {
  readonly id: string;
  readonly hasImage: boolean;
  readonly hasText: boolean;
}

/** What happens to one post; with it and the post's clean content anyone can repeat the exact pixels and words. */
export interface DisruptionEntry {
  readonly id: string;
  readonly modality: Modality;
  readonly operation: Operation;
  /** Of the pixels or words, in [0.4, 0.8); null when the modality is discarded. */
  readonly fraction: number | null;
  /** Of the SplitMix64 that chooses pixels or words; null when the modality is discarded. */
  readonly seed: SplitMixSeed | null;
}

/** A text without a word has nothing to disrupt, nor would it be an intact modality: it counts as absent. */
export function presenceOf(post: Post): PostPresence {
  return { id: post.id, hasImage: post.image !== null, hasText: post.text !== null && countWords(post.text) > 0 };
}

function operationFor(setting: Setting, coin: number): Operation {
  if (setting === 'C+D') return coin === 0 ? 'corrupt' : 'discard';
  return setting === 'C' ? 'corrupt' : 'discard';
}

/**
 * The numbers of a post depend on the seed and its id alone, and are drawn in the same order under every strategy:
 * so the disrupted posts of a smaller ratio are disrupted alike under a larger one, and a post that C+D corrupts gets
 * the pixels or words that C gives it.
 */
function planPost(post: PostPresence, strategy: Strategy, root: Random): DisruptionEntry | null {
  if (strategy.kind === 'none' || !post.hasImage || !post.hasText) return null;
  const random = root.fork(post.id);
  const selection = random.uniform();
  const drawnModality: Modality = random.integer(2) === 0 ? 'image' : 'text';
  const coin = random.integer(2);
  if (strategy.kind === 'modality-random' && !(selection < strategy.ratio)) return null;
  const modality = strategy.kind === 'modality-fixed' ? strategy.modality : drawnModality;
  const operation = operationFor(strategy.setting, coin);
  if (operation === 'discard') return { id: post.id, modality, operation, fraction: null, seed: null };
  const content = random.fork(modality);
  const fraction = drawFraction(content);
  return { id: post.id, modality, operation, fraction, seed: drawSplitMixSeed(content) };
}

function rootOf(seed: Seed): Random {
  if (typeof seed === 'number' && !Number.isFinite(seed)) {
    throw new ConfigurationError({
      subject: 'The disruption seed',
      expected: 'a finite number or a text',
      received: String(seed),
    });
  }
  return createRandom(seed).fork('disruption');
}

/**
 * Decides what happens to a post: a pure function of seed, id and strategy (and of what the post has), the same for
 * every method and run and in any order. Each post is decided on its own, so a ratio holds on average, not to the post.
 * @returns null for a post that stays as it is. A post that lacks a modality is never disrupted: one stays intact.
 * @throws ConfigurationError for a strategy that is out of range
 */
export function planDisruption(post: PostPresence, strategy: Strategy, seed: Seed): DisruptionEntry | null {
  assertStrategy(strategy);
  return planPost(post, strategy, rootOf(seed));
}

/** {@link planDisruption} of many posts; only the disrupted ones have an entry. */
export function planDisruptions(posts: Iterable<PostPresence>, strategy: Strategy, seed: Seed): DisruptionEntry[] {
  assertStrategy(strategy);
  const root = rootOf(seed);
  const entries: DisruptionEntry[] = [];
  for (const post of posts) {
    const entry = planPost(post, strategy, root);
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

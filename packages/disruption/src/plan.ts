import { ConfigurationError, createRandom, refuser, type Modality, type Post, type Random } from '@drf/tensor';
import { countWords, drawFraction } from './corrupt.js';
import { drawSplitMixSeed, type SplitMixSeed } from './split-mix.js';
import { corruptedModality, type CorruptionName } from './corruptions.js';
import { modalitiesOf } from './own-disruption.js';
import { SEVERITIES, type Severity } from './severity.js';
import {
  assertStrategy,
  formatStrategy,
  type MissingStrategy,
  type Operation,
  type Seed,
  type Strategy,
} from './strategy.js';

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
  /** Of the pixels or words, in [0.4, 0.8); null when the modality is discarded, or disrupted by another corruption. */
  readonly fraction: number | null;
  /** Of the SplitMix64 that decides a corruption, or of what `own` draws; null when the modality is discarded. */
  readonly seed: SplitMixSeed | null;
  /** Of a corruption beyond the paper's: its name, with `severity`. */
  readonly corruption?: CorruptionName;
  readonly severity?: Severity;
  /** Of a disruption of the user's own: its id and options, "blur@1f0c8a93d2e4:radius=3". */
  readonly own?: string;
}

/** A post, or its record with its text: an image need not be decoded to be there. */
type PostParts = Omit<Post, 'image'> & { readonly image: object | null };

/** A text without a word has nothing to disrupt, nor would it be an intact modality: it counts as absent. */
export function presenceOf({ id, image, text }: PostParts): PostPresence {
  return { id, hasImage: image !== null, hasText: text !== null && countWords(text) > 0 };
}

/** What chance says of a post, before any other post is looked at. */
interface Draws {
  readonly random: Random;
  /** From 0 to 1: the smaller, the sooner the post is among the disrupted. */
  readonly selection: number;
  readonly modality: Modality;
  /** 0: corrupt, 1: discard. */
  readonly coin: number;
}

/**
 * The numbers of a post depend on the seed and its id alone, and are drawn in the same order under every strategy:
 * so the disrupted posts of a smaller ratio are disrupted alike under a larger one, and a post that C+D corrupts gets
 * the pixels or words that C gives it.
 */
function drawsOf(post: PostPresence, root: Random): Draws {
  const random = root.fork(post.id);
  const selection = random.uniform();
  const modality: Modality = random.integer(2) === 0 ? 'image' : 'text';
  return { random, selection, modality, coin: random.integer(2) };
}

/** The entry of a post that is disrupted. @param coin which of C+D's two operations */
function entryOf(id: string, strategy: Disrupting, { random, modality: drawn }: Draws, coin: number): DisruptionEntry {
  if (strategy.kind === 'own') {
    const { own } = strategy;
    const [first = drawn, second] = modalitiesOf(own);
    const modality = second === undefined ? first : drawn;
    return { id, modality, operation: 'corrupt', fraction: null, seed: drawSplitMixSeed(random.fork(modality)), own };
  }
  if (strategy.kind === 'corruption') {
    const { corruption } = strategy;
    const modality = corruptedModality(corruption);
    const content = random.fork(modality);
    const seed = drawSplitMixSeed(content);
    const severity = strategy.severity ?? (SEVERITIES[content.integer(SEVERITIES.length)] as Severity);
    return { id, modality, operation: 'corrupt', fraction: null, seed, corruption, severity };
  }
  const modality = strategy.kind === 'modality-fixed' ? strategy.modality : drawn;
  const { setting } = strategy;
  const operation: Operation = setting === 'C' || (setting === 'C+D' && coin === 0) ? 'corrupt' : 'discard';
  if (operation === 'discard') return discarded(id, modality);
  const content = random.fork(modality);
  const fraction = drawFraction(content);
  return { id, modality, operation, fraction, seed: drawSplitMixSeed(content) };
}

/** Strategies that take one share of the posts. */
type Disrupting = Exclude<Strategy, { kind: 'none' | 'missing' }>;

function discarded(id: string, modality: Modality): DisruptionEntry {
  return { id, modality, operation: 'discard', fraction: null, seed: null };
}

function isWhole({ hasImage, hasText }: PostPresence): boolean {
  return hasImage && hasText;
}

/** Each post on its own: shares hold on average. */
function planIndependently(
  post: PostPresence,
  strategy: Disrupting | MissingStrategy,
  root: Random,
): DisruptionEntry | null {
  if (!isWhole(post)) return null;
  const draws = drawsOf(post, root);
  if (strategy.kind === 'missing') {
    if (draws.selection < strategy.image) return discarded(post.id, 'image');
    return draws.selection >= 1 - strategy.text ? discarded(post.id, 'text') : null;
  }
  if (strategy.kind !== 'modality-fixed' && !(draws.selection < strategy.ratio)) return null;
  return entryOf(post.id, strategy, draws, draws.coin);
}

/**
 * All posts together: of n posts that have both modalities, the round(dr·n) with the smallest `selection` are disrupted
 * (ties: by id). C+D takes them in that order two by two and corrupts one of each two, by the coin of the first; so
 * halves are as equal as can be at every ratio, and larger ratios still disrupt alike what smaller ones do. Of missing
 * modalities, the round(rate·n) posts with the smallest `selection` lose the image and those with the largest the text
 * (one less where rounding would let them meet): so the posts of a smaller rate stay those of a larger one.
 */
function planTogether(
  posts: readonly PostPresence[],
  strategy: Disrupting | MissingStrategy,
  root: Random,
): DisruptionEntry[] {
  const drawn = posts.flatMap((post, place) =>
    isWhole(post) ? [{ id: post.id, place, draws: drawsOf(post, root) }] : [],
  );
  const byId = (first: string, second: string): number => (first < second ? -1 : first > second ? 1 : 0);
  drawn.sort((first, second) => first.draws.selection - second.draws.selection || byId(first.id, second.id));
  if (strategy.kind === 'missing') {
    const withoutImage = Math.round(strategy.image * drawn.length);
    const withText = drawn.length - Math.min(Math.round(strategy.text * drawn.length), drawn.length - withoutImage);
    return drawn
      .flatMap(({ id, place }, rank) => {
        if (rank >= withoutImage && rank < withText) return [];
        return [{ place, entry: discarded(id, rank < withoutImage ? 'image' : 'text') }];
      })
      .sort((first, second) => first.place - second.place)
      .map(({ entry }) => entry);
  }
  const count = strategy.kind === 'modality-fixed' ? drawn.length : Math.round(strategy.ratio * drawn.length);
  return drawn
    .slice(0, count)
    .map(({ id, place, draws }, rank) => {
      const first = drawn[rank - (rank % 2)]?.draws.coin ?? draws.coin;
      return { place, entry: entryOf(id, strategy, draws, (first + rank) % 2) };
    })
    .sort((first, second) => first.place - second.place)
    .map(({ entry }) => entry);
}

function rootOf(seed: Seed): Random {
  if (typeof seed === 'number' && !Number.isFinite(seed)) {
    throw refuser(ConfigurationError, 'The disruption seed')('a finite number or a text', String(seed));
  }
  return createRandom(seed).fork('disruption');
}

/** Whether a strategy decides each post on its own, without knowing the others. */
export function decidesAlone(strategy: Strategy): boolean {
  if (strategy.kind === 'none' || strategy.independent === true) return true;
  if (strategy.kind === 'corruption') return strategy.ratio === 1;
  return strategy.kind === 'modality-fixed' && strategy.setting !== 'C+D';
}

/**
 * Decides what happens to a post: a pure function of seed, id and strategy (and of what the post has), the same for
 * every method and run and in any order.
 * @returns null for a post that stays as it is. A post that lacks a modality is never disrupted: one stays intact.
 * @throws ConfigurationError for a strategy that is out of range, or whose exact shares ask for all posts together
 */
export function planDisruption(post: PostPresence, strategy: Strategy, seed: Seed): DisruptionEntry | null {
  assertStrategy(strategy);
  if (!decidesAlone(strategy)) {
    throw new ConfigurationError({
      subject: `Disruption of the single post ${JSON.stringify(post.id)} by ${formatStrategy(strategy)}`,
      expected: 'a strategy without exact shares',
      received: 'one that shares out all posts together',
      remedy: `plan the posts together (planDisruptions), or write ${formatStrategy({ ...strategy, independent: true } as Strategy)}`,
    });
  }
  return strategy.kind === 'none' ? null : planIndependently(post, strategy, rootOf(seed));
}

/**
 * Decides what happens to posts, of which only the disrupted ones have an entry, in the order given: a pure function of
 * seed, strategy and the set of posts, whose order does not matter. Shares are exact: round(dr·n) of the n posts that
 * have both modalities, half and half in C+D, and of missing rates round(rate·n) for each modality; with `independent`
 * each post is decided on its own and shares hold on average.
 * @throws ConfigurationError for a strategy that is out of range
 */
export function planDisruptions(posts: Iterable<PostPresence>, strategy: Strategy, seed: Seed): DisruptionEntry[] {
  assertStrategy(strategy);
  const root = rootOf(seed);
  if (strategy.kind === 'none') return [];
  if (!decidesAlone(strategy)) return planTogether([...posts], strategy, root);
  return [...posts].flatMap((post) => planIndependently(post, strategy, root) ?? []);
}

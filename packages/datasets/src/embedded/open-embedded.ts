import { createRandom, type Random } from '@drf/tensor';
import { ContentDataset } from '../content-dataset.js';
import { InlineText, type Dataset, type PostRecord } from '../dataset.js';
import { combineLabels, SENTIMENTS, type Sentiment } from '../label-rule.js';
import { Ledger } from '../ledger.js';
import type { ContentOptions, EmbeddedOptions } from '../options.js';
import { drawScene, EmojiImage } from './emoji-image.js';
import { EMBEDDED_SPLITS, splitVocabulary, type EmbeddedSplit, type Vocabulary } from './vocabulary.js';

/** How often a text is positive, neutral, negative: uneven, as in real posts. */
const TEXT_SENTIMENT_SHARES: readonly number[] = [0.4, 0.25, 0.35];

/**
 * The data set that needs no download: emoji pictures and short texts of known polarity, drawn from a seed. In some
 * posts image and text disagree; the label rule decides, and drops those that contradict each other. Emoji and words of
 * each split occur in no other. Every record carries its split.
 */
export async function openEmbedded(options: EmbeddedOptions, content: ContentOptions): Promise<Dataset> {
  const random = createRandom(options.seed).fork('embedded data set');
  const vocabularies = splitVocabulary(random.fork('vocabulary'));
  const ledger = new Ledger(`embedded generator, seed ${options.seed}`);
  const records = EMBEDDED_SPLITS.flatMap((split) =>
    drawSplit(split, vocabularies[split], options, random.fork(split), ledger),
  );
  ledger.keep(records.length);
  const { decoding } = content;
  return new ContentDataset({ name: 'embedded', classes: SENTIMENTS, records, ledger, decoding, encoding: 'utf-8' });
}

/** Draws posts until the split holds its number; those dropped on the way are in the ledger. */
function drawSplit(
  split: EmbeddedSplit,
  vocabulary: Vocabulary,
  options: EmbeddedOptions,
  random: Random,
  ledger: Ledger,
): PostRecord[] {
  const records: PostRecord[] = [];
  for (let index = 1; records.length < options[split]; index++) {
    const id = `${split}-${String(index).padStart(4, '0')}`;
    const post = random.fork(id);
    const text = drawSentiment(post.fork('text sentiment'));
    const image = drawImageSentiment(text, options.mismatch, post.fork('image sentiment'));
    const sentiment = combineLabels(text, image);
    if (sentiment === null) ledger.drop({ id, reason: 'conflicting labels', detail: `text,image: ${text},${image}` });
    else
      records.push({ id, split, label: SENTIMENTS.indexOf(sentiment), ...drawContent(vocabulary, text, image, post) });
  }
  return records;
}

function drawSentiment(random: Random): Sentiment {
  let rest = random.uniform();
  const index = TEXT_SENTIMENT_SHARES.findIndex((share) => (rest -= share) < 0);
  return SENTIMENTS[index] ?? 'negative';
}

function drawImageSentiment(text: Sentiment, mismatch: number, random: Random): Sentiment {
  if (random.uniform() >= mismatch) return text;
  const others = SENTIMENTS.filter((sentiment) => sentiment !== text);
  return others[random.integer(others.length)] as Sentiment;
}

function drawContent(
  vocabulary: Vocabulary,
  text: Sentiment,
  image: Sentiment,
  random: Random,
): Pick<PostRecord, 'image' | 'text'> {
  const emoji = vocabulary.emoji[image];
  const drawn = emoji[random.fork('emoji').integer(emoji.length)] as string;
  const words = { words: vocabulary.words[text], topics: vocabulary.topics };
  return {
    image: new EmojiImage(drawScene(drawn, random.fork('scene'))),
    text: new InlineText(composeSentence(words, random.fork('sentence'))),
  };
}

/**
 * Patterns of short posts. `w` is a word that carries the sentiment (or none), `t` a topic, `n` a number. Every
 * sentiment uses every pattern, so that only the words tell.
 */
export const PATTERNS: readonly string[] = [
  'the {t} was {w} and {w}',
  '{w}, {w}, {w}. that is the {t} for you',
  'my {t} in two words: {w} {w}',
  'so this {t} is {w} #{w}',
  '{t} again today #{w} #{w}',
  'RT @user{n}: what a {w} {t}',
  'one {w} {t} after another, and all of it {w}',
  'on the way to the {t} #{w} #{t} #{w}',
  '@user{n} the whole {t} seems {w}, even {w}',
  'day {n}: {w} {t}, {w} {t}',
  'they call the {t} {w}. to me it is {w}',
  '{w} {t} this morning, more {w} by noon',
];

export interface SentenceWords {
  readonly words: readonly string[];
  readonly topics: readonly string[];
}

/** Fills a pattern with drawn words. */
function composeSentence({ words, topics }: SentenceWords, random: Random): string {
  const pick = (items: readonly string[]): string => items[random.integer(items.length)] as string;
  return pick(PATTERNS).replaceAll(/\{([wtn])\}/g, (_, slot: string) => {
    if (slot === 'n') return String(1 + random.integer(99));
    return pick(slot === 'w' ? words : topics);
  });
}

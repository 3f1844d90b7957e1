import { createRandom, type Random } from '@drf/tensor';
import { ContentDataset } from '../content-dataset.js';
import type { Dataset, PostRecord } from '../dataset.js';
import { combineLabels, SENTIMENTS, type Sentiment } from '../label-rule.js';
import { Ledger } from '../ledger.js';
import type { ContentOptions } from '../options.js';
import { InlineText } from '../source.js';
import { drawScene, EmojiImage } from './emoji-image.js';
import type { EmbeddedOptions } from './options.js';
import { composeSentence } from './sentence.js';
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

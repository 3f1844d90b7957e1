import { DataError } from '@drf/tensor';
import { MAXIMUM_TOKENS } from './sentence-parameters.js';
import type { Vocabulary } from './sentence-files.js';

/**
 * Characters of a text that are looked at: twice what 128 word pieces of the longest kind (16 characters) cover, and
 * short enough that the tokenizer, whose time grows with the square of the length, takes milliseconds.
 */
export const MAXIMUM_CHARACTERS = 4096;

/** Texts to word piece ids, at most {@link MAXIMUM_TOKENS} each. */
export type Tokenize = (text: string) => readonly number[];

/** Runs of white space become one space, as SentencePiece does before it splits; the JavaScript port leaves it out. */
function tidy(text: string): string {
  const head = text.slice(0, 4 * MAXIMUM_CHARACTERS);
  const collapsed = head.replace(/\s+/gu, ' ').trim();
  return [...collapsed].slice(0, MAXIMUM_CHARACTERS).join('');
}

/**
 * The SentencePiece tokenizer of Universal Sentence Encoder lite. Pieces beyond 128 are cut off, as are characters
 * beyond {@link MAXIMUM_CHARACTERS}; a run of unknown characters (emoji, say) is one unknown piece; a text without
 * any piece gives none.
 */
export async function createTokenizer(vocabulary: Vocabulary): Promise<Tokenize> {
  const { Tokenizer } = await import('@tensorflow-models/universal-sentence-encoder');
  const tokenizer = new Tokenizer(vocabulary);
  return (text) => tokenizer.encode(tidy(text)).slice(0, MAXIMUM_TOKENS);
}

/** @throws DataError naming the place of what is not a string. */
export function assertTexts(texts: readonly string[]): void {
  texts.forEach((text: unknown, i) => {
    if (typeof text === 'string') return;
    const received = text === null ? 'null' : typeof text;
    const remedy = 'leave posts without a text out, or pass an empty string';
    throw new DataError({ subject: `texts[${i}]`, expected: 'a string', received, remedy });
  });
}

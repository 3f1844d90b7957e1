export {
  createTokenizer,
  MAXIMUM_CHARACTERS,
  MAXIMUM_TOKENS,
  type Tokenize,
  type Vocabulary,
} from './sentence-tokenizer.js';
export { padTokens } from './pad-tokens.js';
export { PieceTrie } from './piece-trie.js';
export { boundMarks, headOf, MAXIMUM_MARKS } from './text-bounds.js';

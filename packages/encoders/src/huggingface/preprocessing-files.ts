/** Files of a model's folder that say how contents become its inputs; a model has some of them. */
export const PREPROCESSING_FILES = {
  image: ['preprocessor_config.json'],
  text: [
    'tokenizer.json',
    'tokenizer_config.json',
    'special_tokens_map.json',
    'added_tokens.json',
    'vocab.txt',
    'vocab.json',
    'merges.txt',
  ],
} as const;

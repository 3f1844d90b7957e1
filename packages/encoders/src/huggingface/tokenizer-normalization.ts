import { boundMarks } from '../tokenizers/bounded-text.js';

/** The normalizer of a `tokenizer.json`, as far as it is looked at here. */
interface NormalizerFile {
  readonly type?: unknown;
  readonly lowercase?: unknown;
  readonly handle_chinese_chars?: unknown;
  readonly normalizers?: unknown;
}

/** Ideographs beyond 16 bits, which BERT's normalizer parts from what stands beside them. */
const WIDE_IDEOGRAPHS =
  /[\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

/** Halves of a character that lack the other half. */
const LONE_SURROGATES = /\p{Surrogate}/gu;

function normalizers(file: unknown): NormalizerFile[] {
  if (typeof file !== 'object' || file === null) return [];
  const { normalizers: parts } = file as NormalizerFile;
  return Array.isArray(parts) ? parts.flatMap(normalizers) : [file];
}

/**
 * What has to be done to a text so that `@huggingface/tokenizers` (0.2) gives the ids of the reference implementation
 * (the `tokenizers` library in Rust):
 * - a lone half of a character becomes U+FFFD; the reference takes whole characters only
 * - Σ is lower-cased as σ everywhere, character by character, where JavaScript writes ς at the end of a word
 * - ideographs beyond 16 bits are set apart like all others
 *
 * Of a run of combining marks the first 128 are left, so that normalization takes linear time.
 * @param tokenizer a parsed `tokenizer.json`
 */
export function referenceNormalization(tokenizer: unknown): (text: string) => string {
  const steps = normalizers((tokenizer as { readonly normalizer?: unknown }).normalizer);
  const lowercases = steps.some(({ type, lowercase }) => type === 'Lowercase' || lowercase === true);
  const partsIdeographs = steps.some((step) => step.type === 'BertNormalizer' && step.handle_chinese_chars === true);
  return (text) => {
    let result = boundMarks(text.replace(LONE_SURROGATES, '\ufffd'));
    if (lowercases) result = result.replaceAll('Σ', 'σ');
    return partsIdeographs ? result.replace(WIDE_IDEOGRAPHS, ' $& ') : result;
  };
}

import type { Modality, Post, RgbImage } from '@drf/tensor';
import { IMAGE_CORRUPTIONS } from './image-corruptions.js';
import type { Severity } from './severity.js';
import type { SplitMixSeed } from './split-mix.js';
import { TEXT_CORRUPTIONS } from './text-corruptions.js';

type ImageCorruptionName = keyof typeof IMAGE_CORRUPTIONS;
type TextCorruptionName = keyof typeof TEXT_CORRUPTIONS;

/** A corruption beyond the paper's, such as `gaussian_noise` or `typos`. */
export type CorruptionName = ImageCorruptionName | TextCorruptionName;

/** Corruptions by the modality that they take. */
export const CORRUPTION_NAMES = {
  image: Object.keys(IMAGE_CORRUPTIONS) as readonly ImageCorruptionName[],
  text: Object.keys(TEXT_CORRUPTIONS) as readonly TextCorruptionName[],
};

const isOfImages = (name: CorruptionName): name is ImageCorruptionName => Object.hasOwn(IMAGE_CORRUPTIONS, name);

export function isCorruptionName(name: unknown): name is CorruptionName {
  return typeof name === 'string' && (Object.hasOwn(IMAGE_CORRUPTIONS, name) || Object.hasOwn(TEXT_CORRUPTIONS, name));
}

/** The modality that a corruption takes. */
export function corruptedModality(name: CorruptionName): Modality {
  return isOfImages(name) ? 'image' : 'text';
}

/** How a corruption is repeated, in words, and what its five severities mean. */
export function corruptionRule(name: CorruptionName): { readonly levels: readonly unknown[]; readonly rule: string } {
  const { levels, rule } = isOfImages(name) ? IMAGE_CORRUPTIONS[name] : TEXT_CORRUPTIONS[name];
  return { levels, rule };
}

/** A post with the modality that the corruption takes made worse; the other one, and the given post, stay as they are. */
export function applyCorruption(post: Post, name: CorruptionName, severity: Severity, seed: SplitMixSeed): Post {
  return isOfImages(name)
    ? { ...post, image: IMAGE_CORRUPTIONS[name].apply(post.image as RgbImage, severity, seed) }
    : { ...post, text: TEXT_CORRUPTIONS[name].apply(post.text as string, severity, seed) };
}

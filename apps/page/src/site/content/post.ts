import { corruptImage, corruptText } from '@drf/disruption';
import type { PostContent } from '@drf/predict';
import { createRandom, type Modality, type RgbImage } from '@drf/tensor';

/** What the reader chose: contents, which of them are part of the post, how much of each is corrupted, and by which draw. */
export interface PostState {
  readonly image: RgbImage | null;
  readonly text: string;
  readonly isOn: Readonly<Record<Modality, boolean>>;
  /** Of the pixels and of the words, from 0 to 1. */
  readonly fraction: Readonly<Record<Modality, number>>;
  readonly seed: number;
}

export const EMPTY_POST: PostState = {
  image: null,
  text: '',
  isOn: { image: true, text: true },
  fraction: { image: 0, text: 0 },
  seed: 1,
};

/**
 * What the model reads: corrupted as `@drf/disruption` does everywhere, by a seed; null for what is missing or switched
 * off.
 */
export function contentOf({ image, text, isOn, fraction, seed }: PostState, maskToken: string): PostContent {
  const random = createRandom(seed).fork('page');
  return {
    image: image === null || !isOn.image ? null : corruptImage(image, fraction.image, random.fork('image')),
    text: text.trim() === '' || !isOn.text ? null : corruptText(text, fraction.text, random.fork('text'), maskToken),
  };
}

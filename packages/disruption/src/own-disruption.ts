import type { z } from 'zod';
import type { Definition } from '@drf/files';
import { createRandom, DataError, MODALITIES, ownDefinition, type Modality, type Post, type Random } from '@drf/tensor';
import type { RgbImage } from '@drf/tensor';
import type { SplitMixSeed } from './split-mix.js';

/** What a disruption of the user's own does to the modalities that it takes; the other modality stays intact. */
export interface Disruption {
  /** A new image of the same size. All chance comes from `random`, so that anyone can repeat it. */
  image?(image: RgbImage, random: Random): RgbImage;
  /** A new text. */
  text?(text: string, random: Random): string;
}

/**
 * A disruption in a module of the user's own, for strategies such as `./blur.ts:0.4:radius=3`.
 *
 * ```ts
 * export default {
 *   name: 'shout',
 *   create: () => ({ text: (text) => text.toUpperCase() }),
 * } satisfies DisruptionDefinition;
 * ```
 */
export type DisruptionDefinition<Schema extends z.ZodObject = z.ZodObject> = Definition<
  Schema,
  undefined,
  [],
  Disruption
>;

/** Disruptions by their id and options, made once each. */
const made = new Map<string, Disruption>();

/**
 * A disruption whose module was loaded.
 * @param own its id and the options that were given: "blur@1f0c8a93d2e4:radius=3"
 * @throws ConfigurationError when the module was not loaded, or for an option that it does not take
 */
function disruptionOf(own: string): Disruption {
  const known = made.get(own);
  if (known !== undefined) return known;
  const [id = '', ...pairs] = own.split(':');
  const { definition, parseOptions } = ownDefinition<DisruptionDefinition>(id, 'disruption');
  const given = Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s).slice(0, 2)));
  const disruption = definition.create(parseOptions(given));
  made.set(own, disruption);
  return disruption;
}

/** The modalities that a disruption of the user's own takes. @throws ConfigurationError as its module does */
export function modalitiesOf(own: string): readonly Modality[] {
  const disruption = disruptionOf(own);
  return MODALITIES.filter((modality) => disruption[modality] !== undefined);
}

/** A post with one modality disrupted. @throws DataError when the result is no text, or no image of the same size */
export function applyOwn(post: Post, own: string, modality: Modality, seed: SplitMixSeed): Post {
  const disruption = disruptionOf(own);
  const random = createRandom(seed);
  const refuse = (expected: string, received: string): DataError =>
    new DataError({ subject: `Disruption ${own} of post ${JSON.stringify(post.id)}`, expected, received });
  if (modality === 'text') {
    const text = disruption.text?.(post.text as string, random);
    if (typeof text !== 'string') throw refuse('a text', typeof text);
    return { ...post, text };
  }
  const { width, height } = post.image as RgbImage;
  const image = disruption.image?.(post.image as RgbImage, random);
  if (image?.width === width && image.height === height && image.data.length === width * height * 3) {
    return { ...post, image };
  }
  throw refuse(`an image of ${width} × ${height}`, image === undefined ? 'none' : `${image.width} × ${image.height}`);
}

import { ACTIVATION_NAMES, type ActivationName } from '@drf/layers';
import { ConfigurationError } from '@drf/tensor';

/** Larger sizes are no encoder's; they keep products of sizes whole numbers. */
const LARGEST_SIZE = 2 ** 24;

/**
 * Reads a Hugging Face `config.json` key by key. A key that is absent or null has the reference implementation's
 * default; one that cannot be meant is a ConfigurationError that names file and key.
 */
export class ConfigReader {
  private readonly values: Readonly<Record<string, unknown>>;

  /** @param subject the file, as errors name it */
  constructor(
    json: unknown,
    readonly subject: string,
  ) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw this.error('an object with the keys of a Hugging Face config.json', JSON.stringify(json)?.slice(0, 100));
    }
    this.values = json as Readonly<Record<string, unknown>>;
  }

  /** The model's family. @throws ConfigurationError when it is none of `families`, saying what those are for */
  family<Family extends string>(families: readonly Family[], purpose: string, remedy: string): Family {
    const given = this.values['model_type'];
    if (families.includes(given as Family)) return given as Family;
    const expected = `a "model_type" of ${purpose}: ${families.join(', ')}`;
    throw this.error(expected, JSON.stringify(given) ?? 'none', remedy);
  }

  /**
   * What a configuration says of one of its parts, such as a tower: the keys below `key`, then those below `override`,
   * where there are some.
   */
  part(key: string, override: string): ConfigReader {
    const parts = [key, override].map((each) => this.value(each) ?? {});
    const wrong = parts.find((each) => typeof each !== 'object' || Array.isArray(each));
    if (wrong !== undefined) throw this.wrong(key, 'an object');
    return new ConfigReader(Object.assign({}, ...parts), `${this.subject}, "${key}",`);
  }

  /** Whether the key is there and not null. */
  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  /** One of several words. */
  choice<Word extends string>(key: string, words: readonly Word[], fallback: Word): Word {
    const value = this.value(key) ?? fallback;
    if (words.includes(value as Word)) return value as Word;
    throw this.wrong(key, words.map((word) => JSON.stringify(word)).join(' or '));
  }

  /** Whole numbers or words one after the other; undefined where the key is absent. */
  list(key: string): readonly unknown[] | undefined {
    const value = this.value(key);
    if (value === undefined || Array.isArray(value)) return value as readonly unknown[] | undefined;
    throw this.wrong(key, 'a list');
  }

  /** The parsed value as it stands. */
  raw(key: string): unknown {
    return this.value(key);
  }

  /** A whole number from `smallest`. */
  size(key: string, fallback: number, smallest = 1): number {
    const value = this.value(key) ?? fallback;
    if (isSize(value, smallest)) return value;
    throw this.wrong(key, `a whole number from ${smallest} to ${LARGEST_SIZE}`);
  }

  /** Height and width: one whole number for both, or two. */
  sizePair(key: string, fallback: number): readonly [number, number] {
    const value = this.value(key) ?? fallback;
    if (isSize(value, 1)) return [value, value];
    if (Array.isArray(value) && value.length === 2 && value.every((size) => isSize(size, 1))) {
      return [value[0] as number, value[1] as number];
    }
    throw this.wrong(key, `a whole number from 1 to ${LARGEST_SIZE}, or two`);
  }

  /** A finite number from 0, or above 0. */
  number(key: string, fallback: number, above: 'from 0' | 'above 0'): number {
    const value = this.value(key) ?? fallback;
    const fits = typeof value === 'number' && Number.isFinite(value) && (above === 'from 0' ? value >= 0 : value > 0);
    if (fits) return value;
    throw this.wrong(key, `a finite number ${above}`);
  }

  /** A number from 0, below 1. */
  share(key: string, fallback: number): number {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'number' && value >= 0 && value < 1) return value;
    throw this.wrong(key, 'a number from 0, below 1');
  }

  /** Shares that are dropped in training, under the names of BERT's configuration. */
  dropouts(fallback: number): { readonly hidden: number; readonly attention: number } {
    return {
      hidden: this.share('hidden_dropout_prob', fallback),
      attention: this.share('attention_probs_dropout_prob', fallback),
    };
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.value(key) ?? fallback;
    if (typeof value === 'boolean') return value;
    throw this.wrong(key, 'true or false');
  }

  activation(key: string, fallback: ActivationName): ActivationName {
    const value = this.value(key) ?? fallback;
    if (ACTIVATION_NAMES.includes(value as ActivationName)) return value as ActivationName;
    throw this.wrong(key, `an activation: ${ACTIVATION_NAMES.join(', ')}`);
  }

  /** @throws ConfigurationError unless the key is absent or has one of the values; others change what is computed */
  only(key: string, ...supported: readonly unknown[]): void {
    const value = this.value(key);
    if (value === undefined || supported.includes(value)) return;
    const expected = supported.map((each) => JSON.stringify(each)).join(' or ');
    throw this.error(
      `"${key}" to be ${expected}`,
      JSON.stringify(value),
      'choose another model; this is not supported',
    );
  }

  /** @throws ConfigurationError unless the heads divide the width */
  assertHeads(headsKey: string, heads: number, widthKey: string, width: number): void {
    if (width % heads === 0) return;
    throw this.error(`"${headsKey}" that divides "${widthKey}" ${width}`, String(heads));
  }

  private value(key: string): unknown {
    return (Object.hasOwn(this.values, key) ? this.values[key] : undefined) ?? undefined;
  }

  /** The error of a key that cannot be meant. */
  wrong(key: string, expected: string): ConfigurationError {
    return this.error(`"${key}" to be ${expected}`, JSON.stringify(this.values[key]) ?? 'nothing');
  }

  private error(expected: string, received: string | undefined, remedy?: string): ConfigurationError {
    return new ConfigurationError({ subject: this.subject, expected, received: received ?? 'nothing', remedy });
  }
}

function isSize(value: unknown, smallest: number): value is number {
  return Number.isInteger(value) && (value as number) >= smallest && (value as number) <= LARGEST_SIZE;
}

/** Sizes that every vision transformer has. */
interface VitSizes {
  readonly imageHeight: number;
  readonly imageWidth: number;
  readonly patchHeight: number;
  readonly patchWidth: number;
  readonly channels: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
}

/**
 * Reads the sizes of a vision transformer.
 * @param patch side of a patch where the configuration does not say it
 * @throws ConfigurationError unless an image holds a patch and the heads divide the width
 */
export function readVitSizes(reader: ConfigReader, patch: number): VitSizes {
  const [imageHeight, imageWidth] = reader.sizePair('image_size', 224);
  const [patchHeight, patchWidth] = reader.sizePair('patch_size', patch);
  const hiddenSize = reader.size('hidden_size', 768);
  const heads = reader.size('num_attention_heads', 12);
  reader.assertHeads('num_attention_heads', heads, 'hidden_size', hiddenSize);
  if (patchHeight > imageHeight || patchWidth > imageWidth) {
    throw new ConfigurationError({
      subject: reader.subject,
      expected: `"patch_size" within "image_size" ${imageHeight} × ${imageWidth}`,
      received: `${patchHeight} × ${patchWidth}`,
    });
  }
  const channels = reader.size('num_channels', 3);
  const layers = reader.size('num_hidden_layers', 12);
  return { imageHeight, imageWidth, patchHeight, patchWidth, channels, hiddenSize, layers, heads };
}

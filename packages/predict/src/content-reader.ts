import { tokenLayoutOf, tokenRowEncoder, type Encoder, type FrozenEncoder } from '@drf/encoders';
import { standIn, tokenInputs } from '@drf/experiment';
import { assertNumbers } from '@drf/judge/judgment';
import type { EncodedBatchInputs } from '@drf/model';
import { floatData, hostTensor, type Host, type HostTensor, type Modality, type RgbImage } from '@drf/tensor';

interface ReadingOptions {
  /** Whether the method reads tokens beside features. */
  readonly readsTokens: boolean;
  /** What a missing text is for an encoder that was trained with the head. */
  readonly maskToken: string;
}

/** Rows of contents, float32 [1, width] each; zeros for a missing one. */
type RowReader<Content> = (contents: readonly (Content | null)[]) => Promise<HostTensor[]>;

/** Reads the contents of one modality as the head takes them. */
export class ContentReader<Content extends RgbImage | string> {
  /** Of a frozen encoder. */
  private readonly rows?: { readonly features: RowReader<Content>; readonly tokens?: RowReader<Content> };

  /** @throws ConfigurationError when tokens are read, and the encoder, which is frozen, gives none */
  constructor(
    private readonly encoder: Encoder<Content>,
    private readonly options: ReadingOptions,
  ) {
    if (encoder.trainable) return;
    const tokens = options.readsTokens ? { tokens: rowReader(tokenRowEncoder(encoder)) } : {};
    this.rows = { features: rowReader(encoder), ...tokens };
  }

  /** Whether contents are read faster together, and not otherwise. */
  get readsTogether(): boolean {
    return !this.encoder.trainable && this.encoder.isBatchInvariant === true;
  }

  /**
   * Features and tokens of each content, or what an encoder that was trained with the head reads; a missing content has a
   * stand-in there, and zeros here.
   * @throws DataError for a content that cannot be encoded, and naming the encoder where it gave NaN or infinity
   */
  async inputs(contents: readonly (Content | null)[]): Promise<Host<EncodedBatchInputs[Modality]>[]> {
    const { encoder, rows } = this;
    const available = contents.map((content) => hostTensor([content === null ? 0 : 1], [1]));
    if (rows === undefined) {
      const read = contents.map(async (content, i) => {
        const given = content ?? (standIn(encoder.modality, this.options.maskToken) as Content);
        return { available: available[i] as HostTensor, contents: await encoder.preprocess([given]) };
      });
      return Promise.all(read);
    }
    const [features, tokens] = await Promise.all([rows.features(contents), rows.tokens?.(contents)]);
    return features.map((row, i) => ({
      available: available[i] as HostTensor,
      features: row,
      ...(tokens === undefined ? {} : { tokens: tokenInputs(tokens[i] as HostTensor, tokenLayoutOf(encoder)) }),
    }));
  }
}

function rowReader<Content>(encoder: FrozenEncoder<Content>): RowReader<Content> {
  const { id, modality, outputDim } = encoder;
  const encode = async (contents: readonly Content[]): Promise<Float32Array> =>
    floatData(await encoder.encode(contents));
  const encodeOneByOne = async (contents: readonly Content[]): Promise<Float32Array> => {
    const rows = new Float32Array(contents.length * outputDim);
    for (const [i, content] of contents.entries()) rows.set(await encode([content]), i * outputDim);
    return rows;
  };
  return async (contents) => {
    const there = contents.filter((content) => content !== null);
    const rows = await (encoder.isBatchInvariant === true ? encode(there) : encodeOneByOne(there));
    assertNumbers(`The ${modality} encoder ${id}`, rows);
    let start = 0;
    return contents.map((content) => {
      const row = content === null ? new Float32Array(outputDim) : rows.slice(start, (start += outputDim));
      return hostTensor(row, [1, outputDim]);
    });
  };
}

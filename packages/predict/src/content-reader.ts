import { tokenLayoutOf, tokenRowEncoder, type Encoder, type FrozenEncoder } from '@drf/encoders';
import { standIn, tokenInputs } from '@drf/experiment';
import { assertNumbers } from '@drf/judge/judgment';
import type { EncodedBatchInputs } from '@drf/model';
import { floatData, hostTensor, type Host, type HostTensor, type Modality, type RgbImage } from '@drf/tensor';
import { gathered } from './gather.js';

/** Contents that are encoded together; more gain nothing. */
const MOST_TOGETHER = 8;

interface ReadingOptions {
  /** Whether the method reads tokens beside features. */
  readonly readsTokens: boolean;
  /** What a missing text is for an encoder that was trained with the head. */
  readonly maskToken: string;
}

/** A content's row, float32 [1, width]; zeros for a missing one. */
type RowReader<Content> = (content: Content | null) => Promise<HostTensor>;

/** Reads the contents of one modality as the head takes them. */
export class ContentReader<Content extends RgbImage | string> {
  /** How many contents under way are read fastest. */
  readonly preferredBatch: number;
  /** Of a frozen encoder. */
  private readonly rows?: { readonly features: RowReader<Content>; readonly tokens?: RowReader<Content> };

  /** @throws ConfigurationError when tokens are read, and the encoder, which is frozen, gives none */
  constructor(
    private readonly encoder: Encoder<Content>,
    private readonly options: ReadingOptions,
  ) {
    this.preferredBatch = 1;
    if (encoder.trainable) return;
    if (mostTogether(encoder) > 1) this.preferredBatch = 2 * mostTogether(encoder); // a batch, and those that wait for it
    const tokens = options.readsTokens ? { tokens: rowReader(tokenRowEncoder(encoder)) } : {};
    this.rows = { features: rowReader(encoder), ...tokens };
  }

  /**
   * Features and tokens of a content, or what an encoder that was trained with the head reads; a missing content has a
   * stand-in there, and zeros here.
   * @throws DataError for a content that cannot be encoded, and naming the encoder where it gave NaN or infinity
   */
  async inputs(content: Content | null): Promise<Host<EncodedBatchInputs[Modality]>> {
    const { encoder, rows } = this;
    const available = hostTensor([content === null ? 0 : 1], [1]);
    if (rows === undefined) {
      const read = content ?? (standIn(encoder.modality, this.options.maskToken) as Content);
      return { available, contents: await encoder.preprocess([read]) };
    }
    const [features, tokens] = await Promise.all([rows.features(content), rows.tokens?.(content)]);
    return {
      available,
      features,
      ...(tokens === undefined ? {} : { tokens: tokenInputs(tokens, tokenLayoutOf(encoder)) }),
    };
  }
}

function mostTogether({ isBatchInvariant = false }: Pick<FrozenEncoder<never>, 'isBatchInvariant'>): number {
  return isBatchInvariant ? MOST_TOGETHER : 1;
}

function rowReader<Content>(encoder: FrozenEncoder<Content>): RowReader<Content> {
  const { id, modality, outputDim } = encoder;
  const encode = gathered(mostTogether(encoder), async (contents: readonly Content[]) => {
    const rows = floatData(await encoder.encode(contents));
    return contents.map((_, i) => hostTensor(rows.slice(i * outputDim, (i + 1) * outputDim), [1, outputDim]));
  });
  return async (content) => {
    const row = content === null ? hostTensor(new Float32Array(outputDim), [1, outputDim]) : await encode(content);
    assertNumbers(`The ${modality} encoder ${id}`, row.data);
    return row;
  };
}

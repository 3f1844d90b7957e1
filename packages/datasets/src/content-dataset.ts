import { decodeImage, type ImageDecoding } from '@drf/preprocessing';
import { DataError, type Modality, type Post, type RgbImage } from '@drf/tensor';
import type { ContentSource, Dataset, PostRecord } from './dataset.js';
import { imageHash, textHash } from './decoded-hash.js';
import { asUnusableRow, RowError, type Ledger } from './ledger.js';
import { decodeText, type TextEncoding } from './text-decoder.js';

/** What a data set is made of, whatever its layout was. */
export interface ContentDatasetOptions {
  readonly name: string;
  readonly classes: readonly string[];
  readonly records: readonly PostRecord[];
  readonly ledger: Ledger;
  readonly decoding: ImageDecoding;
  /** Of texts whose sources do not name their own. */
  readonly encoding: TextEncoding;
}

/** A data set whose content is encoded images and encoded text, decoded when a post is read. */
export class ContentDataset implements Dataset {
  readonly name: string;
  readonly classes: readonly string[];
  readonly records: readonly PostRecord[];
  readonly ledger: Ledger;
  private readonly decoding: ImageDecoding;
  private readonly encoding: TextEncoding;

  constructor(options: ContentDatasetOptions) {
    this.name = options.name;
    this.classes = options.classes;
    this.records = options.records;
    this.ledger = options.ledger;
    this.decoding = options.decoding;
    this.encoding = options.encoding;
  }

  async read(record: PostRecord): Promise<Post> {
    const [image, text] = await Promise.all([this.readImage(record), this.readText(record)]);
    return { id: record.id, label: record.label, image, text };
  }

  async readText(record: PostRecord): Promise<string | null> {
    if (record.text === null) return null;
    const subject = this.subject(record, 'text', record.text);
    const text = decodeText(subject, await this.bytes(record, 'text', record.text), this.encodingOf(record.text));
    if (text !== '') return text;
    throw new RowError('empty text', {
      subject,
      expected: 'some text',
      received: 'none, or white space only',
      remedy: 'fill it in, or remove the post',
    });
  }

  async contentHash(record: PostRecord, modality: Modality): Promise<string> {
    const source = record[modality];
    if (source === null) throw this.missing(record, modality);
    const content = source.fingerprint ?? (await this.bytes(record, modality, source));
    return modality === 'image' ? imageHash(content, this.decoding) : textHash(content, this.encodingOf(source));
  }

  private async readImage(record: PostRecord): Promise<RgbImage | null> {
    if (record.image === null) return null;
    const bytes = await this.bytes(record, 'image', record.image);
    return decodeImage(this.subject(record, 'image', record.image), bytes, this.decoding).catch(asUnusableRow);
  }

  private encodingOf(text: ContentSource): TextEncoding {
    return text.encoding ?? this.encoding;
  }

  private async bytes(record: PostRecord, modality: Modality, source: ContentSource): Promise<Uint8Array> {
    try {
      return await source.bytes();
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      const reason = error.code === 'too-large' ? (`${modality} too large` as const) : 'unreadable file';
      throw new RowError(
        reason,
        { ...error.report, subject: this.subject(record, modality, source) },
        { cause: error },
      );
    }
  }

  private subject(record: PostRecord, modality: Modality, source: ContentSource): string {
    return `${this.name} post ${record.id}, ${modality} ${source.description}`;
  }

  private missing(record: PostRecord, modality: Modality): RowError {
    return new RowError(`missing ${modality}`, {
      subject: `${this.name} post ${record.id}`,
      expected: `a post with ${modality} to hash`,
      received: `one whose ${modality} is missing`,
      remedy: 'skip missing modalities; they have no features',
    });
  }
}

import { createReadStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import type { Embedder, FeatureName, PostFeatures } from '@drf/experiment';
import { StreamedFile, writeStreamedSafetensors, type StreamedTensor } from '@drf/files';
import { ConfigurationError, MODALITIES, refuser } from '@drf/tensor';

/** Formats of the output, by the ending of its name. */
const FEATURE_FORMATS = ['.parquet', '.safetensors'] as const;
type FeatureFormat = (typeof FEATURE_FORMATS)[number];

/** @throws ConfigurationError when the ending is none of these */
export function featureFormat(path: string): FeatureFormat {
  const ending = extname(path).toLowerCase();
  const format = FEATURE_FORMATS.find((known) => known === ending);
  if (format !== undefined) return format;
  const expected = `a file that ends in ${FEATURE_FORMATS.join(' or ')}`;
  throw refuser(ConfigurationError, '--out')(expected, path, 'choose one of these endings');
}

/** Name of the file with the ids of the rows of a safetensors file. */
export function idsPath(out: string): string {
  return `${out}.ids.json`;
}

/** A file that gets features post by post, under temporary names until it is whole. */
export interface FeatureFile {
  add(post: { readonly row: number; readonly id: string; readonly features: PostFeatures }): Promise<void>;
  /** Makes it the output. */
  end(): Promise<void>;
  /** Removes what is there so far. */
  discard(): Promise<void>;
}

/** Starts an output. What a killed program left under its temporary names goes. */
export async function openFeatureFile(
  out: string,
  format: FeatureFormat,
  embedder: Pick<Embedder, 'widths' | 'origin'>,
): Promise<FeatureFile> {
  const widths = Object.entries(embedder.widths) as [FeatureName, number][];
  const file = format === '.parquet' ? ParquetFeatures : SafetensorsFeatures;
  for (const path of temporaries(out, widths)) await rm(path, { force: true });
  return new file(out, widths, embedder.origin);
}

function temporaries(out: string, widths: readonly [FeatureName, number][]): string[] {
  return [temporary(out), ...widths.map(([name]) => matrixPath(out, name)), maskPath(out), temporary(idsPath(out))];
}

function temporary(path: string): string {
  return `${path}.temporary`;
}

async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths) await rm(path, { force: true });
}

/** Numbers of a row group, which are held in memory at once. */
const GROUP_VALUES = 2 ** 20;

/**
 * Parquet, a row a post: `row`, `id`, lists of float32 `image_feature`, `text_feature` (null where the post lacks the
 * modality) and of a head `fused_feature`, `has_image`, `has_text`. Where the features come from stands in the file's
 * metadata.
 */
class ParquetFeatures implements FeatureFile {
  private readonly writer: ParquetWriter;
  private readonly rowsAGroup: number;
  private waiting: Parameters<FeatureFile['add']>[0][] = [];

  constructor(
    private readonly out: string,
    private readonly widths: readonly [FeatureName, number][],
    origin: Embedder['origin'],
  ) {
    const columns: SchemaElement[] = [
      { name: 'row', type: 'INT32', repetition_type: 'REQUIRED' },
      { name: 'id', type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      ...widths.flatMap(([name]) => listElements(`${name}_feature`)),
      ...MODALITIES.map((name): SchemaElement => ({
        name: `has_${name}`,
        type: 'BOOLEAN',
        repetition_type: 'REQUIRED',
      })),
    ];
    this.rowsAGroup = Math.max(1, Math.floor(GROUP_VALUES / widths.reduce((sum, [, width]) => sum + width, 0)));
    this.writer = new ParquetWriter({
      writer: fileWriter(temporary(out)),
      schema: [{ name: 'root', num_children: 2 + widths.length + MODALITIES.length }, ...columns],
      kvMetadata: Object.entries(origin).map(([key, value]) => ({ key: `drf.${key}`, value })),
      createdBy: 'drf embed',
    });
  }

  async add(post: Parameters<FeatureFile['add']>[0]): Promise<void> {
    this.waiting.push(post);
    if (this.waiting.length >= this.rowsAGroup) await this.flush();
  }

  async end(): Promise<void> {
    await this.flush();
    await this.writer.finish();
    await rename(temporary(this.out), this.out);
  }

  discard(): Promise<void> {
    return removeAll(temporaries(this.out, this.widths));
  }

  private async flush(): Promise<void> {
    const posts = this.waiting;
    this.waiting = [];
    if (posts.length === 0) return;
    const features = this.widths.map(([name]) => ({
      name: `${name}_feature`,
      data: posts.map(({ features: { [name]: values } }) => (values == null ? null : Array.from(values))),
      // numbers of that kind neither repeat nor shrink
      encoding: 'PLAIN' as const,
      codec: 'UNCOMPRESSED' as const,
      statistics: false,
    }));
    const columnData = [
      { name: 'row', data: posts.map(({ row }) => row) },
      { name: 'id', data: posts.map(({ id }) => id) },
      ...features,
      ...MODALITIES.map((name) => ({ name: `has_${name}`, data: posts.map((post) => post.features[name] != null) })),
    ];
    await this.writer.write({ columnData, rowGroupSize: this.rowsAGroup });
  }
}

/** A list of float32 that may be null, by Parquet's three levels. */
function listElements(name: string): SchemaElement[] {
  return [
    { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST', logical_type: { type: 'LIST' } },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'FLOAT', repetition_type: 'REQUIRED' },
  ];
}

function matrixPath(out: string, name: FeatureName): string {
  return temporary(`${out}.${name}`);
}

function maskPath(out: string): string {
  return temporary(`${out}.masks`);
}

/**
 * safetensors: `image_feature`, `text_feature` and of a head `fused_feature`, float32 [posts, width] with zeros where a
 * post lacks the modality; `has_image` and `has_text`, BOOL [posts]. `OUT.ids.json` has the ids, a list in the order of
 * the rows. A header says how many rows there are, which is known at the end only: rows wait in files of their own.
 */
class SafetensorsFeatures implements FeatureFile {
  private readonly matrices: ReadonlyMap<FeatureName, StreamedFile>;
  /** One byte a post: bit 0 for an image, bit 1 for a text. */
  private readonly masks: StreamedFile;
  private readonly ids: StreamedFile;
  private posts = 0;

  constructor(
    private readonly out: string,
    private readonly widths: readonly [FeatureName, number][],
    private readonly origin: Embedder['origin'],
  ) {
    this.matrices = new Map(widths.map(([name]) => [name, new StreamedFile(matrixPath(out, name))]));
    this.masks = new StreamedFile(maskPath(out));
    this.ids = new StreamedFile(temporary(idsPath(out)));
  }

  async add({ id, features }: Parameters<FeatureFile['add']>[0]): Promise<void> {
    for (const [name, width] of this.widths) {
      const { buffer, byteOffset, byteLength } = features[name] ?? new Float32Array(width);
      await this.matrices.get(name)?.write(new Uint8Array(buffer, byteOffset, byteLength));
    }
    const bits = MODALITIES.map((name, bit) => (features[name] == null ? 0 : 1 << bit));
    await this.masks.write(Uint8Array.of(bits.reduce((sum, bit) => sum + bit, 0)));
    await this.ids.write(`${this.posts === 0 ? '[' : ','}\n${JSON.stringify(id)}`);
    this.posts++;
  }

  async end(): Promise<void> {
    const { out, posts } = this;
    await this.ids.write(this.posts === 0 ? '[]\n' : '\n]\n');
    await this.close();
    const tensors = new Map<string, StreamedTensor>(
      this.widths.map(([name, width]) => [
        `${name}_feature`,
        { dtype: 'F32', shape: [posts, width], parts: createReadStream(matrixPath(out, name)) },
      ]),
    );
    MODALITIES.forEach((name, bit) =>
      tensors.set(`has_${name}`, { dtype: 'BOOL', shape: [posts], parts: bitsOf(maskPath(out), bit) }),
    );
    await writeStreamedSafetensors(temporary(out), tensors, this.origin);
    await rename(temporary(idsPath(out)), idsPath(out));
    await rename(temporary(out), out); // last: where there is an output, all of it is there
    await removeAll(temporaries(out, this.widths));
  }

  async discard(): Promise<void> {
    await this.close().catch(() => undefined); // the first error is the one to hear about
    await removeAll(temporaries(this.out, this.widths));
  }

  private async close(): Promise<void> {
    for (const file of [...this.matrices.values(), this.masks, this.ids]) await file.end();
  }
}

async function* bitsOf(path: string, bit: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>)
    yield chunk.map((byte) => (byte >> bit) & 1);
}

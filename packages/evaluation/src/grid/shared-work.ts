import type { Dataset, PostRecord } from '@drf/datasets';
import {
  areFeatures,
  encodeRecords,
  openExperimentData,
  startSession,
  type DatasetConfig,
  type EncodedRecords,
  type EncodeOptions,
  type ExperimentConfig,
  type ExperimentData,
  type Session,
  type SessionConfig,
} from '@drf/experiment';
import { contentHash } from '@drf/files';
import type { Modality } from '@drf/tensor';
import type { WorkerSetting } from './messages.js';

/** What trainings and evaluations need from outside; tests bring small ones. */
export interface WorkServices {
  readonly openData: typeof openExperimentData;
  readonly startSession: (config: ExperimentConfig, threads: number) => Promise<Session>;
  readonly encode: (options: EncodeOptions) => Promise<EncodedRecords>;
}

export const WORK_SERVICES: WorkServices = {
  openData: openExperimentData,
  startSession: (config, threads) => startSession(config, { threads }),
  encode: encodeRecords,
};

/** Data sets, sessions and features, each made once in a process and shared by all its trainings. */
export class SharedWork {
  private readonly data = new Map<string, Promise<ExperimentData>>();
  private readonly sessions = new Map<string, Promise<Session>>();
  /** Least recently used first. */
  private readonly features = new Map<string, { readonly encoded: Promise<EncodedRecords>; bytes: number }>();

  constructor(
    private readonly setting: Pick<WorkerSetting, 'threads' | 'memoryBytes'>,
    private readonly services: WorkServices = WORK_SERVICES,
  ) {}

  openData(config: DatasetConfig): Promise<ExperimentData> {
    return once(this.data, JSON.stringify(config), async () => {
      const data = await this.services.openData(config);
      return { ...data, dataset: readOnce(data.dataset) };
    });
  }

  async openDataset(config: DatasetConfig): Promise<Dataset> {
    return (await this.openData(config)).dataset;
  }

  /** A session that others go on using: disposing it does nothing. */
  async session(config: SessionConfig): Promise<Session> {
    const { engine, encoders, seed = 0 } = config;
    const isSeeded = encoders.lora.rank > 0; // low-rank updates start from random numbers
    const key = JSON.stringify([engine, encoders, isSeeded ? seed : 0]);
    const start = (): Promise<Session> => this.services.startSession(config as ExperimentConfig, this.setting.threads);
    const session = await once(this.sessions, key, start);
    return { ...session, dispose: () => Promise.resolve() };
  }

  /** `encodeRecords`, whose results are kept while they fit. */
  readonly encode = async (options: EncodeOptions): Promise<EncodedRecords> => {
    if (options.strategy.kind === 'manifest') return this.services.encode(options);
    const key = keyOf(options);
    const known = this.features.get(key);
    if (known !== undefined) {
      this.features.delete(key);
      this.features.set(key, known);
      return known.encoded;
    }
    const entry = { encoded: this.services.encode(options), bytes: 0 };
    this.features.set(key, entry);
    try {
      const { set } = await entry.encoded;
      const bytesOf = ({ rows, tokens }: typeof set.image): number =>
        (areFeatures(rows) ? 4 * rows.dim : 0) + // contents are not held
        (tokens === undefined ? 0 : 2 * tokens.layout.count * tokens.layout.dim);
      entry.bytes = set.ids.length * (bytesOf(set.image) + bytesOf(set.text));
      this.makeRoom();
      return await entry.encoded;
    } catch (error) {
      this.features.delete(key);
      throw error;
    }
  };

  private makeRoom(): void {
    let total = [...this.features.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [key, { bytes }] of this.features) {
      if (total <= this.setting.memoryBytes || this.features.size === 1) return;
      this.features.delete(key);
      total -= bytes;
    }
  }

  async dispose(): Promise<void> {
    for (const session of await Promise.allSettled(this.sessions.values())) {
      if (session.status === 'fulfilled') await session.value.dispose();
    }
    this.sessions.clear();
    this.features.clear();
  }
}

/** Everything of the options that decides the features. */
function keyOf({ dataset, records, session, strategy, seed, ...rest }: EncodeOptions): string {
  const plain = Object.entries(rest).filter(([name, value]) => typeof value !== 'function' && name !== 'signal');
  return contentHash(
    dataset.name,
    session.image.id,
    session.text.id,
    JSON.stringify([strategy, seed, plain]),
    ...records.map(({ id, label }) => `${id} ${label}`),
  );
}

/** A data set that reads each text, and hashes each content, once: every disruption asks for all of them again. */
function readOnce(dataset: Dataset): Dataset {
  const texts = new Map<string, Promise<string | null>>();
  const hashes = new Map<string, Promise<string>>();
  return Object.create(dataset, {
    readText: { value: (record: PostRecord) => once(texts, record.id, () => dataset.readText(record)) },
    contentHash: {
      value: (record: PostRecord, modality: Modality) =>
        once(hashes, `${modality} ${record.id}`, () => dataset.contentHash(record, modality)),
    },
  }) as Dataset;
}

function once<T>(made: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const known = made.get(key);
  if (known !== undefined) return known;
  const promise = make();
  made.set(key, promise);
  promise.catch(() => made.delete(key)); // the next one tries again
  return promise;
}

/** Hash of posts with their contents as decoded; a post that cannot be read counts by its message. */
export async function contentOf(dataset: Dataset, records: readonly PostRecord[]): Promise<string> {
  const parts: string[] = [];
  for (const record of records) {
    const hash = async (modality: 'image' | 'text'): Promise<string> =>
      record[modality] === null
        ? ''
        : dataset.contentHash(record, modality).catch((error: unknown) => `unreadable: ${String(error)}`);
    parts.push(record.id, String(record.label), await hash('image'), await hash('text'));
  }
  return contentHash(...parts);
}

import type { Dataset, PostRecord } from '@drf/datasets';
import {
  areFeatures,
  encodeRecords,
  openExperimentDataset,
  splitExperimentData,
  startSession,
  type DatasetConfig,
  type EncodedRecords,
  type EncodeOptions,
  type ExperimentData,
  type RecordedEncoders,
  type Session,
  type SessionConfig,
} from '@drf/experiment';
import { contentHash } from '@drf/files';
import type { Modality } from '@drf/tensor';
import { SILENT, type Display } from './display.js';

/** What a workspace needs from outside; tests bring small ones. */
export interface Services {
  readonly openDataset: typeof openExperimentDataset;
  readonly startSession: typeof startSession;
  readonly encode: (options: EncodeOptions) => Promise<EncodedRecords>;
}

const SERVICES: Services = { openDataset: openExperimentDataset, startSession, encode: encodeRecords };

export interface WorkspaceOptions {
  readonly display?: Display;
  readonly services?: Services;
  /** Of the compiled engine; default: all cores. */
  readonly threads?: number;
  /** How much memory features may take that are kept for the next who asks for them; default: none are kept. */
  readonly featureBytes?: number;
}

/** Data sets, sessions and features, each made once and shared by all trainings and evaluations of a process. */
export class Workspace {
  readonly display: Display;
  private readonly services: Services;
  private readonly datasets = new Map<string, Promise<Dataset>>();
  private readonly splits = new Map<string, Promise<ExperimentData>>();
  private readonly sessions = new Map<string, Promise<Session>>();
  /** Least recently used first. */
  private readonly features = new Map<string, { readonly encoded: Promise<EncodedRecords>; bytes: number }>();

  constructor(private readonly options: WorkspaceOptions = {}) {
    const { display = SILENT, services = SERVICES } = options;
    this.display = display;
    this.services = services;
  }

  /** @throws as `openExperimentDataset` */
  dataset(config: DatasetConfig): Promise<Dataset> {
    const { name, root, file, columns, encoding, labels, imageSize } = config;
    const key = JSON.stringify([name, root, file, columns, encoding, labels, imageSize]);
    return once(this.datasets, key, async () => {
      const job = this.display.job(`Reading data set ${name}`, 'posts');
      try {
        return readOnce(await this.services.openDataset(config, job.update));
      } finally {
        job.stop();
      }
    });
  }

  /** The data set with its posts assigned to splits. @throws as `openExperimentData` */
  data(config: DatasetConfig): Promise<ExperimentData> {
    return once(this.splits, JSON.stringify(config), async () =>
      splitExperimentData(await this.dataset(config), config),
    );
  }

  /**
   * A session that others go on using: disposing it does nothing.
   * @param recorded given for the encoders of a run; a session at hand that has just these will do
   * @throws as `startSession`
   */
  async session(config: SessionConfig, recorded?: RecordedEncoders): Promise<Session> {
    const { engine, encoders, seed = 0 } = config;
    const isSeeded = encoders.lora.rank > 0; // low-rank updates start from random numbers
    const key = [engine, encoders, isSeeded ? seed : 0];
    const start = (): Promise<Session> => {
      this.display.say(`Starting engine ${engine}, encoders ${encoders.image} (image) and ${encoders.text} (text) …`);
      const { threads } = this.options;
      return this.services.startSession(config, { threads, ...(recorded === undefined ? {} : { recorded }) });
    };
    const known = await this.sessions.get(JSON.stringify(key))?.catch(() => undefined);
    const isOther = recorded !== undefined && known !== undefined && !hasEncoders(known, recorded);
    const session = await once(this.sessions, JSON.stringify(isOther ? [...key, recorded] : key), start);
    return { ...session, dispose: () => Promise.resolve() };
  }

  /** `encodeRecords`, whose results are kept while they fit. */
  readonly encode = async (options: EncodeOptions): Promise<EncodedRecords> => {
    const { featureBytes = 0 } = this.options;
    if (options.strategy.kind === 'manifest' || featureBytes === 0) return this.services.encode(options);
    const key = featureKey(options);
    const known = this.features.get(key);
    if (known !== undefined) {
      this.features.delete(key);
      this.features.set(key, known);
      return known.encoded;
    }
    const entry = { encoded: this.services.encode(options), bytes: 0 };
    this.features.set(key, entry);
    try {
      entry.bytes = bytesOf((await entry.encoded).set);
      this.makeRoom(featureBytes);
      return await entry.encoded;
    } catch (error) {
      this.features.delete(key);
      throw error;
    }
  };

  private makeRoom(most: number): void {
    let total = [...this.features.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [key, { bytes }] of this.features) {
      if (total <= most || this.features.size === 1) return;
      this.features.delete(key);
      total -= bytes;
    }
  }

  /** Ends every session. */
  async dispose(): Promise<void> {
    const started = await Promise.allSettled(this.sessions.values());
    this.sessions.clear();
    this.features.clear();
    for (const session of started) if (session.status === 'fulfilled') await session.value.dispose();
  }
}

function hasEncoders({ image, text }: Session, { ids }: RecordedEncoders): boolean {
  return image.id === ids.image && text.id === ids.text;
}

/** Memory of features and tokens; contents are not held. */
function bytesOf({ ids, image, text }: EncodedRecords['set']): number {
  const ofPost = ({ rows, tokens }: typeof image): number =>
    (areFeatures(rows) ? 4 * rows.dim : 0) + (tokens === undefined ? 0 : 2 * tokens.layout.count * tokens.layout.dim);
  return ids.length * (ofPost(image) + ofPost(text));
}

/** Everything of the options that decides the features. */
function featureKey({ dataset, records, session, strategy, seed, ...rest }: EncodeOptions): string {
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

import type { Dataset } from '@drf/datasets';
import {
  encodeRecords,
  type EncodedRecords,
  type EncodeOptions,
  openExperimentDataset,
  startSession,
  type DatasetConfig,
  type RecordedEncoders,
  type Session,
  type SessionConfig,
} from '@drf/experiment';
import { SILENT, type Display } from './display.js';

/** What an evaluation needs from outside; tests bring small ones. */
export interface Services {
  readonly openDataset: typeof openExperimentDataset;
  readonly startSession: typeof startSession;
  readonly encode: (options: EncodeOptions) => Promise<EncodedRecords>;
}

const SERVICES: Services = { openDataset: openExperimentDataset, startSession, encode: encodeRecords };

/** Data sets, engines and encoders, each opened once and shared by all runs that are evaluated together. */
export class Workbench {
  private readonly datasets = new Map<string, Promise<Dataset>>();
  private readonly sessions = new Map<string, Promise<Session>>();

  constructor(
    readonly display: Display = SILENT,
    private readonly services: Services = SERVICES,
  ) {}

  /** @throws as `openExperimentDataset` */
  dataset(config: DatasetConfig): Promise<Dataset> {
    const { name, root, file, columns, encoding, labels, imageSize } = config;
    return once(this.datasets, JSON.stringify([name, root, file, columns, encoding, labels, imageSize]), async () => {
      const job = this.display.job(`Reading data set ${name}`, 'posts');
      try {
        return await this.services.openDataset(config, job.update);
      } finally {
        job.stop();
      }
    });
  }

  /** @param recorded given for the encoders of a run @throws as `startSession` */
  session(config: SessionConfig, recorded?: RecordedEncoders): Promise<Session> {
    const { image, text } = config.encoders;
    return once(this.sessions, JSON.stringify([config.engine, config.encoders, recorded]), () => {
      this.display.say(`Starting engine ${config.engine}, encoders ${image} (image) and ${text} (text) …`);
      return this.services.startSession(config, recorded === undefined ? {} : { recorded });
    });
  }

  get encode(): Services['encode'] {
    return this.services.encode;
  }

  /** Ends every session. */
  async dispose(): Promise<void> {
    const started = await Promise.allSettled(this.sessions.values());
    this.sessions.clear();
    for (const session of started) if (session.status === 'fulfilled') await session.value.dispose();
  }
}

function once<T>(cache: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const known = cache.get(key);
  if (known !== undefined) return known;
  const made = make();
  cache.set(key, made);
  return made;
}

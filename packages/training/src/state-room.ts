import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseStrategy } from '@drf/disruption';
import {
  isUpper,
  methodNeeds,
  simulatedVersions,
  simulationOptions,
  surveyEncoding,
  type EncodedView,
  type EncodingNeed,
  type ExperimentConfig,
  type ExperimentData,
  type Session,
} from '@drf/experiment';
import { localFeatureCache } from '@drf/storage';
import { ConfigurationError, refuser } from '@drf/tensor';

/** Most disk that hidden states of a training take, unless it is told otherwise. */
const STATE_GIGABYTES = 50;

/** All posts that a training encodes, under each disruption that it encodes them under. */
export function trainingViews(
  config: ExperimentConfig,
  session: Session,
  { splits }: Pick<ExperimentData, 'splits'>,
): EncodedView[] {
  const { seed, training } = config;
  const strategy = parseStrategy(training.disruption);
  return [
    { records: splits.train, strategy, seed },
    { records: splits.val, strategy, seed },
    ...simulatedVersions(session, simulationOptions(config), methodNeeds(config)).map((version) => ({
      records: splits.train,
      strategy: version.strategy,
      seed: version.seed,
      modalities: [version.modality],
    })),
  ];
}

/** What of it is asked beforehand. */
export interface StateRoomOptions {
  readonly config: ExperimentConfig;
  readonly session: Session;
  readonly data: ExperimentData;
  /** Folder of the feature cache. */
  readonly cache: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Disk that a training's hidden states take, before they are computed.
 * @returns what they are, for people; nothing where a training keeps none
 * @throws ConfigurationError when they take more than the experiment allows, or what is lacking more than there is room for
 */
export async function assertRoomForStates(options: StateRoomOptions): Promise<string[]> {
  const { config, session, data, cache, signal } = options;
  if (!isUpper(session.image) && !isUpper(session.text)) return [];
  const source = { dataset: data.dataset, session, cache, needs: methodNeeds(config), signal };
  const needs = await surveyEncoding(source, trainingViews(config, session, data), ['states']);
  const [bytes, missing] = [sumOf(needs, 'bytes'), sumOf(needs, 'missingBytes')];
  const { stateGigabytes: limit = STATE_GIGABYTES } = config.encoders;
  const refuse = refuser(ConfigurationError, 'Hidden states below the first trained layers');
  const remedy = 'train more layers, draw fewer versions (--training.simulation.draws), or keep none: --encoders.cache-states false'; // prettier-ignore
  const received = `${sizeText(bytes)}: ${needs.map(describeStates).join('; ')}`;
  if (bytes > limit * 1e9) {
    const raised = Math.ceil(bytes / 1e9);
    throw refuse(
      `at most ${limit} GB on disk`,
      received,
      `allow more (--encoders.state-gigabytes ${raised}), ${remedy}`,
    );
  }
  const free = await freeBytes(localFeatureCache(cache));
  if (free !== undefined && missing > free) {
    const lacking = `${sizeText(missing)} that are lacking, of ${received}`;
    throw refuse(`room on the disk of ${cache}, ${sizeText(free)}`, lacking, `free some, name another --cache, ${remedy}`); // prettier-ignore
  }
  return needs.map((need) => `hidden states: ${describeStates(need)}; ${sizeText(need.missingBytes)} are computed now`);
}

const PRECISION = { float16: 'half precision', float32: 'single precision' } as const;

/** "image, 12,177 contents of up to 197 tokens, 3.7 GB in half precision". */
function describeStates({ modality, contents, tokens = 0, bytes, storage }: EncodingNeed): string {
  return `${modality}, ${contents.toLocaleString('en-US')} contents of up to ${tokens} tokens, ${sizeText(bytes)} in ${PRECISION[storage]}`;
}

function sumOf(needs: readonly EncodingNeed[], what: 'bytes' | 'missingBytes'): number {
  return needs.reduce((sum, need) => sum + need[what], 0);
}

/** Free for this user, of the disk that a folder is or will be on; nothing where that cannot be told. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const { bavail, bsize } = await statfs(path);
      return bavail * bsize;
    } catch {
      if (dirname(path) === path) return undefined;
    }
  }
}

/** "1.5 GB", "20 MB", "7.3 kB": decimal, as disks are sold. */
export function sizeText(bytes: number): string {
  const [unit, size] = bytes >= 1e9 ? ['GB', 1e9] : bytes >= 1e6 ? ['MB', 1e6] : ['kB', 1e3];
  return `${(bytes / size).toFixed(bytes / size < 10 ? 1 : 0)} ${unit}`;
}

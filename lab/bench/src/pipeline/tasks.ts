import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readJson } from '@drf/files';
import { featureAgreement, judgmentAgreement, pairsOf, readFeatures, readJudged } from './agreement.js';
import { peerStages, runPeer } from './python.js';
import type { Run, Setting, Side, Size, Task } from './turns.js';
import { encoderFlags, makeRoomFor, outputOf, runOurs, type Tables, type Workplace } from './workplace.js';

export interface TaskOptions {
  readonly python: string;
  /** Cores that settings make use of. */
  readonly cores: number;
  readonly epochs: number;
  readonly batchSize: number;
}

/** An output of a task: the place is empty when a side begins. */
async function freshOutput(place: Workplace, ...words: readonly string[]): Promise<string> {
  const path = await makeRoomFor(outputOf(place, ...words));
  await rm(path, { recursive: true, force: true });
  return path;
}

/** Ours and the peer's script on a table. */
function tableTask(
  name: string,
  tables: Tables,
  sides: {
    readonly cores: number;
    readonly starts?: boolean;
    readonly ours: Pick<Side, 'setting' | 'stages'> & {
      readonly run: (table: string, setting: Setting) => Promise<Omit<Run, 'posts'>>;
    };
    readonly peer: (table: string, setting: Setting) => Promise<Omit<Run, 'posts'>>;
    readonly agreement: Task['agreement'];
  },
): Task {
  const onTable = (run: (table: string, setting: Setting) => Promise<Omit<Run, 'posts'>>) => {
    return async (setting: Setting, size: Size): Promise<Run> => {
      const { path, posts } = tables[size];
      const { seconds, cpuSeconds, peakMegabytes } = await run(path, setting);
      return { posts, seconds, cpuSeconds, peakMegabytes };
    };
  };
  return {
    name,
    starts: sides.starts ?? true,
    ours: { ...sides.ours, run: onTable(sides.ours.run) },
    peer: { ...peerStages(sides.cores), run: onTable(sides.peer) },
    agreement: sides.agreement,
  };
}

const ONE_SETTING = { setting: {}, stages: [] } as const;

/** Features of images, or of texts, from an empty feature cache. */
export function encodeTask(place: Workplace, modality: 'image' | 'text', { python, cores }: TaskOptions): Task {
  const name = `encode ${modality}s`;
  const [ours, peer] = ['ours', 'peer'].map((side) => outputOf(place, side, `${modality}.safetensors`)) as [string, string]; // prettier-ignore
  return tableTask(name, place.tables[modality], {
    cores,
    ours: {
      ...ONE_SETTING,
      run: async (table) => {
        const cache = await freshOutput(place, 'cache');
        return runOurs(['embed', table, ...encoderFlags(place.options), '--out', await makeRoomFor(ours), '--cache', cache, '--overwrite', '--quiet']); // prettier-ignore
      },
    },
    peer: async (table, setting) =>
      runPeer(python, ['encode', table, '--models', place.models, '--out', await makeRoomFor(peer)], setting),
    agreement: async () => {
      const [own, other] = [await readFeatures(ours, modality), await readFeatures(peer, modality)];
      return featureAgreement(pairsOf(own, other));
    },
  });
}

/** Judgments of a table of posts. */
export function predictTask(place: Workplace, { python, cores }: TaskOptions): Task {
  const [ours, peer] = ['ours', 'peer'].map((side) => outputOf(place, side, 'judged.jsonl')) as [string, string];
  return tableTask('predict', place.tables.posts, {
    cores,
    ours: {
      setting: { jobs: cores },
      stages: [() => [{ jobs: 1 }]],
      run: async (table, { jobs }) =>
        runOurs(['predict', place.run, table, '--out', await makeRoomFor(ours), '--jobs', String(jobs), '--overwrite', '--quiet']), // prettier-ignore
    },
    peer: async (table, setting) =>
      runPeer(python, ['predict', table, '--models', place.models, '--out', await makeRoomFor(peer)], setting),
    agreement: async () => judgmentAgreement(pairsOf(await readJudged(ours), await readJudged(peer))),
  });
}

/** A training of the head over features, which are computed first. */
export function trainTask(place: Workplace, { python, cores, epochs, batchSize }: TaskOptions): Task {
  const trained = outputOf(place, 'ours', 'trained');
  let peerAccuracy = NaN;
  return tableTask('train', place.tables.distinct, {
    cores,
    starts: false, // a few posts are no training
    ours: {
      ...ONE_SETTING,
      run: async (table) => {
        const cache = await freshOutput(place, 'cache');
        await rm(trained, { recursive: true, force: true });
        const flags = ['--method', 'drf-adapted', '--training.epochs', String(epochs), '--training.batch-size', String(batchSize)]; // prettier-ignore
        return runOurs(['train', '--data', table, ...encoderFlags(place.options), ...flags, '--out', trained, '--cache', cache, '--quiet']); // prettier-ignore
      },
    },
    peer: async (table, setting) => {
      const flags = ['--epochs', String(epochs), '--batch-size', String(batchSize)];
      const out = await makeRoomFor(outputOf(place, 'peer', 'trained.pt'));
      const report = await runPeer(python, ['train', table, '--models', place.models, '--out', out, ...flags], setting);
      peerAccuracy = (JSON.parse(report.stdout) as { readonly accuracy: number }).accuracy;
      return report;
    },
    agreement: async () => {
      const { score } = (await readJson(join(trained, 'best.json'))) as { readonly score: number };
      return { ourValidationAccuracy: score, peerValidationAccuracy: peerAccuracy };
    },
  });
}

import {
  readSeenPosts,
  readShard,
  SPLIT_NAMES,
  type ColumnNames,
  type EncodingChoice,
  type SeenPosts,
  type ShardPlan,
  type SplitName,
} from '@drf/datasets';
import { cacheFolder, type Storage } from '@drf/files';
import { openJudge } from '@drf/judge';
import { localCopy, openStorage } from '@drf/storage';
import { ConfigurationError, DrfError, refuser } from '@drf/tensor';
import type {
  PublishedPlan,
  Runner,
  Unit,
  UnitFailure,
  UnitKind,
  UnitProgress,
  UnitSurroundings,
  UnitWorker,
} from '@drf/units';
import { decodingOf, judgeRows, type TableJudge } from './judge-rows.js';
import { PartWriter, type PartForm } from './part.js';

/** What judges, and how it is opened anywhere. */
export interface ScoringModel {
  /** Runs and exports: absolute paths, or `s3://…`. */
  readonly runs: readonly string[];
  /** Of the run; null: its result. */
  readonly checkpoint: string | null;
  /** As it was asked for. */
  readonly engine: string;
}

/** What decides the judgments of a job; it is gone on with only where all of it is the same. */
export interface JobIdentity {
  readonly run: string;
  /** Names of the files of weights, and the hashes of their bytes: a run may be trained anew. */
  readonly checkpoint: string;
  readonly sha256: string;
  /** What computes: others differ in the last digits. */
  readonly engine: string;
  readonly classes: readonly string[];
  readonly input: string;
  /** Folder of the images, where that was said. */
  readonly root: string | null;
  readonly encoding: EncodingChoice | null;
  /** Which column holds what, where that was said. */
  readonly columns: ColumnNames | null;
  readonly form: PartForm;
}

/** What all shards of a job share. */
export interface ScoreSettings {
  readonly identity: JobIdentity;
  readonly model: ScoringModel;
  readonly shards: ShardPlan;
}

/** Version of how shards are judged and written: a change that gives other bytes is another one. */
export const SCORE_CODE = 'score 2';
export const SCORE_KIND = 'score';

/** Folder of a job's own files, below that of its parts: of readers of data sets, none looks into it. */
export const JOB_FOLDER = '_job';

/** Where a job's parts go. @param storage of its plan */
function partsLocation(storage: Storage): string {
  return storage.location.slice(0, -`/${JOB_FOLDER}`.length);
}

/** Folders with what models are made of, those of object storage as local copies. */
async function modelFolders(runs: readonly string[]): Promise<readonly string[]> {
  const folders: string[] = [];
  for (const run of runs) folders.push(await localCopy(run, { cache: cacheFolder() }));
  return folders;
}

/** How shards are judged by a process that does nothing else. */
export const scoreKind: UnitKind = {
  kind: SCORE_KIND,
  code: SCORE_CODE,
  async open({ plan, threads }) {
    const { runs, checkpoint, engine } = (plan.settings as ScoreSettings).model;
    const judge = await openJudge(await modelFolders(runs), { engine, checkpoint: checkpoint ?? undefined, threads });
    try {
      const worker = await ScoreWorker.open(plan, judge, await seenPosts(judge));
      return { perform: (unit, around) => worker.perform(unit, around), close: () => judge.close() };
    } catch (error) {
      await judge.close();
      throw error;
    }
  },
};

/** How they are judged by this process. @param judge is left open */
export function scoreKindOf(judge: TableJudge, seen: SeenPosts | null): UnitKind {
  return { kind: SCORE_KIND, code: SCORE_CODE, open: ({ plan }) => ScoreWorker.open(plan, judge, seen) };
}

/** Shards under way at once by a judge that takes posts together, so that it never waits for the last posts of one. */
const SHARDS_TOGETHER = 2;

/** Judges shards in this process. @param judge is left open */
export function thisProcess(judge: TableJudge, seen: SeenPosts | null): Runner {
  return {
    name: 'this process',
    async run({ plan, due, signal, onEvent }) {
      const failures: UnitFailure[] = [];
      const broken = new AbortController(); // by a bug in one shard, which ends the others, too
      const over = AbortSignal.any([broken.signal, ...(signal === undefined ? [] : [signal])]);
      const worker = await ScoreWorker.open(plan, judge, seen);
      const left = due.values();
      const work = async (): Promise<void> => {
        for (const index of left) {
          if (over.aborted) return;
          try {
            const report = (progress: UnitProgress): void => onEvent({ kind: 'progress', index, progress });
            await worker.perform(plan.units[index] as Unit, { plan, threads: 1, signal: over, report });
            onEvent({ kind: 'done', index });
          } catch (error) {
            if (over.aborted) return;
            if (!(error instanceof DrfError)) return broken.abort(error);
            onEvent({ kind: 'failed', index, reason: error.message });
            failures.push({ index, reason: error.message });
          }
        }
      };
      const { preferredBatch = 1 } = judge.info;
      await Promise.all(Array.from({ length: preferredBatch === 1 ? 1 : SHARDS_TOGETHER }, work));
      broken.signal.throwIfAborted();
      return failures;
    },
  };
}

/** Posts between two reports. */
const REPORTED_POSTS = 8;

class ScoreWorker implements UnitWorker {
  private constructor(
    private readonly posts: Storage,
    private readonly out: Storage,
    private readonly judge: TableJudge,
    private readonly seen: SeenPosts | null,
  ) {}

  /** @throws ConfigurationError for another model than the plan was made for */
  static async open(plan: PublishedPlan, judge: TableJudge, seen: SeenPosts | null): Promise<ScoreWorker> {
    const { identity, shards } = plan.settings as ScoreSettings;
    assertModel(judge, identity);
    const [posts, out] = [await openStorage(shards.location), await openStorage(partsLocation(plan.storage))];
    return new ScoreWorker(posts, out, judge, seen);
  }

  /** Judges a shard; its report, which is published last, says that the rest is there. */
  async perform(unit: Unit, { plan, signal, report }: UnitSurroundings): Promise<void> {
    const { identity, shards } = plan.settings as ScoreSettings;
    const { root, form, classes } = identity;
    const index = (unit.input as ScoreInput).shard;
    const total = shards.shards[index]?.rows ?? 0;
    const part = await PartWriter.create(plan.storage.folder, index, form, classes);
    try {
      const results = readShard(this.posts, shards, index, {
        root: root ?? undefined,
        decoding: decodingOf(this.judge.info),
        onNote: (message) => part.note(message),
      });
      let done = 0;
      for await (const row of judgeRows(results, this.judge, this.seen, form)) {
        await part.add(row);
        if (++done % REPORTED_POSTS === 0) report({ what: 'posts', done, total });
        signal?.throwIfAborted();
      }
      report({ what: 'posts', done, total });
      const published = await part.publish(this.out);
      await plan.storage.write(unit.output, `${JSON.stringify(published)}\n`);
    } finally {
      await part.discard();
    }
  }

  async close(): Promise<void> {}
}

/** What a unit says of its shard. */
export interface ScoreInput {
  /** Place among the plan's shards. */
  readonly shard: number;
}

/** What decides a judge's answers. */
export function modelIdentity({
  info,
}: TableJudge): Pick<JobIdentity, 'run' | 'checkpoint' | 'sha256' | 'engine' | 'classes'> {
  const { sources, engine, classes } = info;
  const joined = (part: 'folder' | 'checkpoint' | 'sha256'): string => sources.map((each) => each[part]).join(' + ');
  return { run: joined('folder'), checkpoint: joined('checkpoint'), sha256: joined('sha256'), engine, classes };
}

/** @throws ConfigurationError for another model than the plan was made for */
function assertModel(judge: TableJudge, identity: JobIdentity): void {
  const found = modelIdentity(judge);
  for (const name of ['sha256', 'engine', 'classes'] as const) {
    const [expected, received] = [JSON.stringify(identity[name]), JSON.stringify(found[name])];
    if (expected === received) continue;
    throw refuser(ConfigurationError, `Model ${identity.run}, ${name},`)(
      `what the job was planned with: ${expected}`,
      received,
      'restore it, or begin anew with another --out',
    );
  }
}

/**
 * The posts that the runs know; what stands in several splits counts as of the first of train, val and test. Exports, and
 * runs of earlier versions, do not say.
 * @param say told why it is not known
 */
export async function seenPosts(
  { info }: Pick<TableJudge, 'info'>,
  say: (message: string) => void = () => undefined,
): Promise<SeenPosts | null> {
  const all = new Map<string, SplitName>();
  for (const { kind, folder } of info.sources) {
    const seen = kind === 'run' ? await readSeenPosts(folder) : null;
    if (seen === null) {
      say(
        `${kind === 'run' ? 'The run' : 'An export'} does not say which posts were trained on: column seen stays empty.`,
      );
      return null;
    }
    for (const [hash, split] of seen) {
      const other = all.get(hash);
      if (other === undefined || SPLIT_NAMES.indexOf(split) < SPLIT_NAMES.indexOf(other)) all.set(hash, split);
    }
  }
  return all;
}

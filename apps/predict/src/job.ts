import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { contentHash, fileHash, type Storage } from '@drf/files';
import { isObjectLocation, openStorage } from '@drf/storage';
import { ConfigurationError, DataError, mapAhead, refuser } from '@drf/tensor';
import { publishPlan, readPlan, type PublishedPlan, type UnitResources } from '@drf/units';
import { isReport, reportPath, UNPUBLISHED, type PartFile, type PartReport } from './part.js';
import type { PredictResult } from './finish.js';
import { JOB_FOLDER, SCORE_CODE, SCORE_KIND, type ScoreInput, type ScoreSettings } from './score-kind.js';

/** Says that an output of one file is whole. */
const FINISHED = 'finished.json';
const READS_AT_ONCE = 32;

/** A job's place: the folder, or the prefix, that its parts lie in. */
export class JobPlace {
  private constructor(
    /** As `--out` named the output, for messages. */
    private readonly out: string,
    readonly parts: Storage,
    /** The job's own files. */
    readonly own: Storage,
  ) {}

  static async open(out: string, location: string): Promise<JobPlace> {
    const parts = await openStorage(location);
    return new JobPlace(out, parts, await openStorage(`${parts.location}/${JOB_FOLDER}`));
  }

  /** Plans that lie here: none or one, or the same job's from machines of other sizes. */
  async plans(): Promise<readonly PublishedPlan[]> {
    const plans: PublishedPlan[] = [];
    for await (const { path } of this.own.list('plans')) {
      if (!path.endsWith('.json')) continue; // what a write that was killed left
      plans.push(
        await readPlan(`${this.own.location}/${path}`).catch((error: unknown) => {
          if (!(error instanceof DataError)) throw error;
          throw this.refuse(
            'an unfinished job whose plan is whole',
            error.message,
            'start anew with --overwrite',
            error,
          );
        }),
      );
    }
    return plans;
  }

  /**
   * The plan of a job: the one that was begun here, by units of as many cores, or a new one, which knows what is there.
   * @throws ConfigurationError where another job was begun, or is at the same moment
   */
  async begin(settings: ScoreSettings, resources: UnitResources): Promise<PublishedPlan> {
    const begun = await this.plans();
    for (const plan of begun) this.assertSame(plan, settings);
    const same = begun.find((plan) => plan.resources.cores === resources.cores);
    if (same !== undefined) return { ...same, settings }; // the same, in another order
    if (begun.length === 0) await this.assertFree();
    const units = settings.shards.shards.map((shard, index) => ({
      address: contentHash(JSON.stringify({ ...settings, shards: shard })),
      output: reportPath(index),
      stage: 0,
      label: `shard ${index + 1} of ${settings.shards.shards.length}`,
      input: { shard: index } satisfies ScoreInput,
    }));
    const plan = await publishPlan(this.own, { kind: SCORE_KIND, code: SCORE_CODE, resources, settings, units });
    try {
      for (const other of await this.plans()) this.assertSame(other, settings); // another command's, from the same moment
    } catch (error) {
      await this.own.remove(`plans/${plan.hash}.json`);
      throw error;
    }
    return plan;
  }

  /** Removes what a job made, its plan last; files of others stay. */
  async clear(): Promise<void> {
    const plans: string[] = [];
    for await (const { path } of this.parts.list()) {
      if (path.startsWith(`${JOB_FOLDER}/plans/`) || path === `${JOB_FOLDER}/${FINISHED}`) plans.push(path);
      else if (isOurs(path)) await this.parts.remove(path);
    }
    for (const path of plans) await this.parts.remove(path);
    const { folder } = this.parts;
    if (folder === null) return;
    await rm(join(folder, JOB_FOLDER), { recursive: true, force: true });
    await rmdir(folder).catch(() => undefined); // where something else lies in it, it stays
  }

  /** What a shard gave that is judged. @throws ConfigurationError where its report is none */
  async readReport(index: number): Promise<PartReport> {
    const report = await this.wholeReport(index);
    if (report !== undefined) return report;
    const name = `${this.own.location}/${reportPath(index)}`;
    throw this.refuse('a whole report of a shard', `${name}, which is none`, 'the same command judges the shard again');
  }

  private async wholeReport(index: number): Promise<PartReport | undefined> {
    const file = await this.own.open(reportPath(index));
    const text = Buffer.from(await file.read(0, file.bytes)).toString('utf8');
    try {
      const report: unknown = JSON.parse(text);
      return isReport(report, index) ? report : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * What the shards gave that are judged, by their units' indices. Where a storage lost files of a shard, or its report is
   * none, that is forgotten, so that it is judged again.
   */
  async readReports({ units }: PublishedPlan): Promise<Map<number, PartReport>> {
    const sizes = new Map<string, number>();
    const indices: number[] = [];
    for await (const { path, bytes } of this.parts.list()) {
      const index = Number(/^_job\/counts\/(\d+)\.json$/.exec(path)?.[1]);
      if (`${JOB_FOLDER}/${units[index]?.output}` === path) indices.push(index);
      else sizes.set(path, bytes);
    }
    const reports = new Map<number, PartReport>();
    const read = async (index: number) => [index, await this.wholeReport(index)] as const;
    for await (const [index, report] of mapAhead(indices, READS_AT_ONCE, read)) {
      const isThere = (file: PartFile | null): boolean => file === null || sizes.get(file.path) === file.bytes;
      if (report !== undefined && isThere(report.part) && isThere(report.rejectedRows)) reports.set(index, report);
      else await this.own.remove(reportPath(index));
    }
    return reports;
  }

  /** Notes that an output of one file is whole, before it gets its name: who finds it then knows that it is this job's. */
  async noteFinished(file: string, result: PredictResult): Promise<void> {
    await this.own.write(FINISHED, JSON.stringify({ sha256: await fileHash(file), result }));
  }

  /** What was noted of an output, where it is there. */
  async finishedFile(out: string): Promise<PredictResult | undefined> {
    if (isObjectLocation(out) || (await this.own.find(FINISHED)) === undefined) return undefined;
    const file = await this.own.open(FINISHED);
    const { sha256, result } = JSON.parse(Buffer.from(await file.read(0, file.bytes)).toString('utf8')) as { sha256: string; result: PredictResult }; // prettier-ignore
    return sha256 === (await fileHash(out)) ? result : undefined;
  }

  /** Removes what processes that were killed left beside the parts. */
  async tidy(): Promise<void> {
    for await (const { path } of this.parts.list()) {
      if (isOurs(path) && (path.startsWith(`${JOB_FOLDER}/${UNPUBLISHED}`) || path.endsWith('.temporary'))) {
        await this.parts.remove(path);
      }
    }
    const { folder } = this.own;
    if (folder === null) return;
    for (const name of await readdir(folder)) if (name.startsWith(UNPUBLISHED)) await rm(join(folder, name), { recursive: true, force: true }); // prettier-ignore
  }

  private assertSame({ settings, code, location }: PublishedPlan, wanted: ScoreSettings): void {
    const begun = settings as ScoreSettings;
    const inputs = ({ shards }: ScoreSettings): unknown => shards.files.map(({ path, version }) => ({ path, version }));
    const facts = (of: ScoreSettings, by: string): Readonly<Record<string, unknown>> => {
      const { form, ...identity } = of.identity;
      const parts = of.shards.shards.length; // says more than the shards themselves, which follow
      return { ...identity, ...form, versions: inputs(of), parts, shards: of.shards, code: by };
    };
    const [had, has] = [facts(begun, code), facts(wanted, SCORE_CODE)];
    const name = Object.keys(has).find((key) => !isDeepStrictEqual(asJson(had[key]), asJson(has[key])));
    if (name === undefined) return;
    throw refuser(ConfigurationError, `--out ${this.out}, ${name},`)(
      `what the job at ${location} has: ${shortened(had[name])}`,
      shortened(has[name]),
      'name the same run, --shard-posts and an unchanged input, choose another --out, or start anew with --overwrite',
    );
  }

  /** @throws ConfigurationError where something lies that is no job's */
  async assertFree(): Promise<void> {
    for await (const { path } of this.parts.list()) {
      if (!isOurs(path)) throw this.refuse('a folder of nothing else', path, 'choose another name');
      await this.parts.remove(path); // without its plan, what is left of a job counts for nothing
    }
  }

  private refuse(expected: string, received: string, remedy: string, cause?: unknown): ConfigurationError {
    return refuser(ConfigurationError, `--out ${this.out}`)(expected, received, remedy, cause);
  }
}

/** Whether a file of a job's folder is the job's. */
function isOurs(path: string): boolean {
  return (
    path.startsWith(`${JOB_FOLDER}/`) ||
    /^(part-\d{5,}\.(jsonl|csv|parquet)|rejected-\d{5,}\.jsonl|_SUCCESS\.json)(\..*temporary)?$/.test(path)
  );
}

function asJson(value: unknown): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}

function shortened(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

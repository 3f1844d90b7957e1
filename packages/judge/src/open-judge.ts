import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { withMembers } from '@drf/files';
import { ConfigurationError, DataError, refuser, type Modality } from '@drf/tensor';
import { CARD_FILE } from './card.js';
import { toPostContent } from './content.js';
import { ExportJudge } from './export-judge.js';
import { combineJudgments, type Judge, type JudgeInfo, type Judgment, type PostInput } from './judgment.js';
import type { OpenOptions } from './open-options.js';
import { loadRunJudges } from './run-judges.js';

/** How {@link openJudge} opens. */
interface OpenJudgeOptions extends OpenOptions {
  /**
   * Whether a post of each kind is judged once before, so that the first caller does not wait for what is made on first
   * use. Default false.
   */
  readonly warm?: boolean;
}

/**
 * Opens what judges posts: the folder of a trained run, a folder that `pnpm export` wrote (by its `card.json`), the folder
 * of an ensemble (by its `ensemble.json`), or several of these, which then judge together, each member counting the same.
 *
 * ```ts
 * const one = await openJudge('runs/quickstart');
 * const ensemble = await openJudge(['runs/mvsa-drf-seed1', 'runs/mvsa-drf-seed2', 'exported']);
 * ```
 * @throws as {@link ExportJudge.open}, and `RunJudge.open` of `@drf/predict`; ConfigurationError for a run where that package
 *   is not installed, for no folder, for members of an ensemble that differ in classes or in the size of images, and for a
 *   checkpoint of an ensemble; DataError for a damaged `ensemble.json`, and for members that were changed since
 */
export async function openJudge(paths: string | readonly string[], options: OpenJudgeOptions = {}): Promise<Judge> {
  const { warm = false, ...opening } = options;
  const folders = await withMembers(typeof paths === 'string' ? [paths] : paths);
  const refuse = refuser(ConfigurationError, 'openJudge');
  if (folders.length === 0) throw refuse('the folder of a run or of an export', 'none', 'name one');
  if (folders.length > 1 && opening.checkpoint !== undefined) {
    const received = `${opening.checkpoint} for ${folders.length} folders`;
    throw refuse('a checkpoint with one run only', received, 'leave it out: each run judges by its result');
  }
  const members: Judge[] = [];
  try {
    for (const { folder, sha256 } of folders) {
      members.push(await openFolder(folder, opening));
      assertRecorded(members.at(-1) as Judge, sha256);
    }
    const judge = members.length === 1 ? (members[0] as Judge) : ensembleOf(members);
    if (warm) await warmUp(judge);
    return judge;
  } catch (error) {
    for (const member of members) await member.close();
    throw error;
  }
}

async function openFolder(folder: string, options: OpenOptions): Promise<Judge> {
  const isExport = await stat(join(folder, CARD_FILE)).then(() => true, () => false); // prettier-ignore
  if (isExport) return ExportJudge.open(folder, options);
  return (await loadRunJudges(folder)).open(folder, options);
}

/** @throws DataError when a member of an ensemble is not the one that the ensemble was made of */
function assertRecorded({ info }: Judge, sha256: string | undefined): void {
  const source = info.sources[0];
  if (sha256 === undefined || source === undefined || source.sha256 === sha256) return;
  throw refuser(DataError, `Ensemble member ${source.folder}`)(
    `weights of SHA-256 ${sha256}, as ensemble.json lists them`,
    source.sha256,
    'restore the folder, or make the ensemble again',
  );
}

/** Judges that judge together; they are closed with the ensemble. */
function ensembleOf(members: readonly Judge[]): Judge {
  const info = describeEnsemble(members.map((member) => member.info));
  return {
    info,
    async judge(given: PostInput): Promise<Judgment> {
      const post = await toPostContent(given, info); // once for all
      const judgments: Judgment[] = [];
      for (const member of members) judgments.push(await member.judge(post));
      return combineJudgments(judgments, info.classes);
    },
    async close() {
      for (const member of members) await member.close();
    },
  };
}

/** @throws ConfigurationError for members of other classes, or of images of another size, than the first */
function describeEnsemble(members: readonly JudgeInfo[]): JudgeInfo {
  const [first] = members as [JudgeInfo];
  for (const { name, classes, imageSize } of members) {
    const refuse = refuser(ConfigurationError, `Ensemble, member ${name},`);
    const own = [...classes].sort().join(', ');
    const expected = [...first.classes].sort().join(', ');
    if (own !== expected) throw refuse(`the classes of ${first.name}: ${expected}`, own, 'leave it out');
    if (imageSize === first.imageSize) continue;
    throw refuse(`images of ${first.imageSize} pixels, as ${first.name} reads them`, `${imageSize}`, 'leave it out');
  }
  const joined = (of: (member: JudgeInfo) => string): string => [...new Set(members.map(of))].join(' + ');
  const encoder = (modality: Modality): string => joined(({ encoders }) => encoders[modality]);
  return {
    name: members.map(({ name }) => name).join(' + '),
    sources: members.flatMap(({ sources }) => sources),
    classes: first.classes,
    method: joined(({ method }) => method),
    encoders: { image: encoder('image'), text: encoder('text') },
    imageSize: first.imageSize,
    maskToken: members.every(({ maskToken }) => maskToken === first.maskToken) ? first.maskToken : null,
    engine: joined(({ engine }) => engine),
    preferredBatch: Math.max(...members.map(({ preferredBatch = 1 }) => preferredBatch)),
    calibration: null,
    notes: members.flatMap(({ name, notes }) => notes.map((note) => `${name}: ${note}`)),
  };
}

async function warmUp(judge: Judge): Promise<void> {
  const side = judge.info.imageSize;
  const image = { width: side, height: side, data: new Uint8Array(side * side * 3).fill(128) };
  const text = 'a post';
  await judge.judge({ image, text });
  await judge.judge({ image, text: null });
  await judge.judge({ image: null, text });
}

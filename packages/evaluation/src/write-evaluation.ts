import { join } from 'node:path';
import { writeManifest } from '@drf/disruption/manifest';
import { writeFileAtomic, writeJsonAtomic } from '@drf/files';
import { argMax } from '@drf/metrics';
import type { CsvOptions } from '@drf/terminal';
import { csvReport } from './csv-report.js';
import type { EvaluatedCell } from './evaluate-cells.js';
import type { Evaluation } from './evaluate-run.js';
import { htmlReport } from './html-report.js';
import type { EvaluationResult } from './result.js';

/**
 * Where a result goes below its run: `eval/<split>`, with the data set's name where it is another than the trained one,
 * the manifest's where one was given, and `.partial` while cells are missing, so that no whole result is overwritten.
 */
export function evaluationFolder(result: EvaluationResult): string {
  const { run, evaluation, missingCells } = result;
  const parts = [
    ...(evaluation.dataset === run.dataset ? [] : [evaluation.dataset]),
    evaluation.split,
    ...(evaluation.manifest === null ? [] : ['manifest']),
  ];
  const name = parts.join('-').replaceAll(/[^\w.+-]/g, '_');
  const safe = /^\.*$/.test(name) ? `_${name}` : name; // an own split may be called ".."
  return join('eval', missingCells.length === 0 ? safe : `${safe}.partial`);
}

/**
 * Writes `results.json`, `results.csv`, `report.html`, `predictions.jsonl` and `manifests/`, each whole or not at all.
 * @returns the files, the results last, so that results always stand for a whole folder
 * @throws DataError when the folder cannot be written
 */
export async function writeEvaluation(evaluation: Evaluation, folder: string, csv?: CsvOptions): Promise<string[]> {
  const { result, cells } = evaluation;
  const written: string[] = [];
  for (const cell of cells) {
    if (cell.result.manifest === null) continue;
    await writeCellManifest(evaluation, cell, join(folder, cell.result.manifest));
    written.push(join(folder, cell.result.manifest));
  }
  const files: [string, string | Uint8Array][] = [
    ['predictions.jsonl', Buffer.concat(cells.map((cell) => predictionLines(cell, result.evaluation.classes)))],
    ['results.csv', csvReport([result], csv)],
    ['report.html', htmlReport(result)],
  ];
  for (const [name, content] of files) {
    await writeFileAtomic(join(folder, name), content);
    written.push(join(folder, name));
  }
  await writeJsonAtomic(join(folder, 'results.json'), result);
  return [...written, join(folder, 'results.json')];
}

async function writeCellManifest({ result, run, mask }: Evaluation, cell: EvaluatedCell, path: string): Promise<void> {
  const size = run.description.config.dataset.imageSize;
  const { dataset, split, seed } = result.evaluation;
  const { testedOn: strategy } = cell;
  await writeManifest(
    path,
    { seed, strategy, source: `${dataset}, split ${split}`, imageSize: { width: size, height: size }, mask },
    cell.entries,
  );
}

/** One line a post: cell, id, truth, answer, and the probability of each class. */
function predictionLines({ result, ids, labels, probabilities }: EvaluatedCell, classes: readonly string[]): Buffer {
  const lines = ids.map((id, post) => {
    const row = probabilities.subarray(post * classes.length, (post + 1) * classes.length);
    return JSON.stringify({
      cell: result.cell,
      id,
      truth: classes[labels[post] as number],
      predicted: classes[argMax(row)],
      probabilities: Object.fromEntries(
        classes.map((name, index) => [name, Number((row[index] as number).toFixed(6))]),
      ),
    });
  });
  return Buffer.from(lines.map((line) => `${line}\n`).join(''), 'utf8');
}

import { formatCsv, type CsvOptions } from '@drf/terminal';
import { MODALITIES } from '@drf/tensor';
import type { CellResult, EvaluationResult } from './result.js';
import { LISTED_CLASSES } from './tables.js';

type CsvRow = readonly (readonly [column: string, value: string | number | null | undefined])[];

/**
 * One row a cell with all its figures; shares are numbers from 0 to 1, an empty field is a figure that does not exist.
 * Several results go below each other; columns are those of any of them.
 */
export function csvReport(results: readonly EvaluationResult[], options?: CsvOptions): string {
  const rows = results.flatMap((result) =>
    result.cells.map((cell) => new Map([...runColumns(result), ...cellColumns(cell), ...classColumns(cell)])),
  );
  const head = [...new Set(rows.flatMap((row) => [...row.keys()]))];
  return formatCsv(
    head,
    rows.map((row) => head.map((column) => row.get(column) ?? '')),
    options,
  );
}

function runColumns({ run, evaluation }: EvaluationResult): CsvRow {
  return [
    ['run', run.path],
    ['method', run.method],
    ['ablations', run.ablations.join(' ')],
    ['seed', run.seed],
    ['trainingDisruption', run.trainingDisruption],
    ['checkpoint', run.checkpoint],
    ['dataset', evaluation.dataset],
    ['split', evaluation.split],
    ['disruptionSeed', evaluation.seed],
  ];
}

function cellColumns({ cell, kind, modality, setting, ratio, disrupted, report, paper, quality }: CellResult): CsvRow {
  return [
    ['cell', cell],
    ['kind', kind],
    ['modality', modality],
    ['setting', setting],
    ['ratio', ratio],
    ['posts', report.count],
    ...MODALITIES.flatMap((name): CsvRow => [
      [`${name}Corrupted`, disrupted[name].corrupted],
      [`${name}Discarded`, disrupted[name].discarded],
    ]),
    ['accuracy', report.accuracy],
    ['accuracyLow', report.accuracyInterval.low],
    ['accuracyHigh', report.accuracyInterval.high],
    ['weightedF1', report.weightedF1],
    ['macroF1', report.macroF1],
    ['expectedCalibrationError', report.calibration?.expectedCalibrationError],
    ['negativeLogLikelihood', report.calibration?.negativeLogLikelihood],
    ['majorityAccuracy', report.majorityAccuracy],
    ['paperAccuracy', paper?.accuracy],
    ['paperWeightedF1', paper?.weightedF1],
    ['imageQualityAuroc', quality?.image],
    ['textQualityAuroc', quality?.text],
  ];
}

function classColumns({ report }: CellResult): CsvRow {
  const scores = report.perClass.flatMap(({ name, precision, recall, f1, support }): CsvRow => [
    [`${name}.precision`, precision],
    [`${name}.recall`, recall],
    [`${name}.f1`, f1],
    [`${name}.posts`, support],
  ]);
  if (report.classes.length > LISTED_CLASSES) return scores; // a column for each pair would be thousands
  const counts = report.confusion.flatMap((row, truth) =>
    row.map((count, answer) => [`${report.classes[truth]}→${report.classes[answer]}`, count] as const),
  );
  return [...scores, ...counts];
}

import { writeFileAtomic } from '@drf/files';
import type { LedgerReport } from '@drf/datasets';
import { wilsonInterval } from '@drf/metrics';
import { formatDuration, percent } from '@drf/terminal';
import { describeCalibration, type Calibration } from '@drf/judge';
import { readCalibration } from '../calibration/calibration-file.js';
import type { BestCheckpoint, MetricRow, RunDescription, RunFolder } from '../run-folder.js';
import { figure, lineChart, type Series } from './chart.js';
import { escapeHtml, htmlPage, htmlTable } from './html.js';

type EpochRow = Extract<MetricRow, { type: 'epoch' }>;

/** Writes `report.html` of a run: result, curves, epochs, data, configuration. */
export async function writeTrainingReport(run: RunFolder, ledger: LedgerReport): Promise<string> {
  const path = run.file('report.html');
  const description = await run.readDescription();
  const rows = await run.readMetrics();
  const best = await run.readBest();
  const calibration = best === undefined ? null : await readCalibration(run, best.checkpoint);
  await writeFileAtomic(path, trainingReport(description, rows, ledger, best, calibration));
  return path;
}

/** The page itself. */
export function trainingReport(
  description: RunDescription,
  rows: readonly MetricRow[],
  ledger: LedgerReport,
  best: BestCheckpoint | undefined,
  calibration: Calibration | null,
): string {
  const { config, versions } = description;
  const epochs = rows.filter((row) => row.type === 'epoch');
  const seconds = epochs.reduce((sum, row) => sum + row.seconds, 0);
  const body = [
    `<p>${escapeHtml(config.method)} on ${escapeHtml(config.dataset.name)}, seed ${config.seed}, `,
    `${epochs.length} of ${config.training.epochs} epochs in ${formatDuration(seconds)} on engine ${escapeHtml(description.engine)}.</p>`,
    resultParagraph(epochs, best),
    ...(best === undefined ? [] : [`<p>${describeCalibration(calibration).map(escapeHtml).join(' ')}</p>`]),
    '<h2>Curves</h2>',
    ...curves(epochs),
    '<h2>Epochs</h2>',
    epochTable(epochs),
    '<h2>Data</h2>',
    ledgerTable(ledger),
    '<h2>Configuration</h2>',
    `<pre>${escapeHtml(JSON.stringify({ config, versions, encoders: description.encoders }, null, 2))}</pre>`,
  ];
  return htmlPage(`Training run ${config.name}`, body.join('\n'));
}

function resultParagraph(epochs: readonly EpochRow[], best: BestCheckpoint | undefined): string {
  const row = epochs.find(({ epoch }) => epoch === best?.epoch);
  if (best === undefined || row === undefined) return '<p>No epoch has ended yet.</p>';
  const scores =
    row.valAccuracy === null || row.valWeightedF1 === null
      ? 'without validation'
      : `validation accuracy ${accuracyText(row.valAccuracy, row.valPosts)}, weighted F1 ${percent(row.valWeightedF1)} %`;
  return `<p>Result: epoch ${best.epoch} (${escapeHtml(best.selection)}), ${scores}.</p>`;
}

function curves(epochs: readonly EpochRow[]): string[] {
  if (epochs.length === 0) return [];
  const line = (name: string, value: (row: EpochRow) => number | null): Series => ({
    name,
    points: epochs.map((row) => ({ x: row.epoch, y: value(row) })),
  });
  const draw = (name: string, title: string, yName: string, lines: readonly Series[]): string =>
    figure(lineChart(name, title, lines, { xName: 'epoch', yName, xWhole: true }));
  const parts = Object.keys(epochs[0]?.trainParts ?? {});
  return [
    draw('validation', 'Validation accuracy and weighted F1 by epoch', 'percent', [
      line('accuracy', (row) => (row.valAccuracy === null ? null : 100 * row.valAccuracy)),
      line('weighted F1', (row) => (row.valWeightedF1 === null ? null : 100 * row.valWeightedF1)),
    ]),
    draw(
      'loss',
      'Parts of the training loss by epoch (mean over the steps, before their scales)',
      'loss',
      parts.map((part) => line(part, (row) => row.trainParts[part] ?? null)),
    ),
  ];
}

function epochTable(epochs: readonly EpochRow[]): string {
  const share = (value: number | null): string => (value === null ? '–' : percent(value));
  return htmlTable({
    caption: 'Each epoch',
    head: ['epoch', 'training loss', 'validation loss', 'accuracy', 'weighted F1', 'seconds'],
    rows: epochs.map((row) => [
      String(row.epoch),
      row.trainLoss.toFixed(4),
      row.valLoss?.toFixed(4) ?? '–',
      share(row.valAccuracy),
      share(row.valWeightedF1),
      row.seconds.toFixed(1),
    ]),
  });
}

function ledgerTable(ledger: LedgerReport): string {
  const rows = ledger.reasons.map(({ reason, count }) => [`dropped: ${reason}`, String(count)]);
  return htmlTable({
    caption: `Posts of ${ledger.source}`,
    head: ['', 'posts'],
    rows: [['rows', String(ledger.rows)], ['kept', String(ledger.kept)], ...rows],
  });
}

/**
 * An accuracy with what it rests on: "75.0 % of 12 posts (95 % interval: 46.8 to 91.1 %)", by Wilson.
 * @param posts left out or 0 where it is not known
 */
export function accuracyText(accuracy: number, posts = 0): string {
  if (posts === 0) return `${percent(accuracy)} %`;
  const { low, high } = wilsonInterval(Math.round(accuracy * posts), posts);
  const counted = `${posts} ${posts === 1 ? 'post' : 'posts'}`;
  return `${percent(accuracy)} % of ${counted} (95 % interval: ${percent(low)} to ${percent(high)} %)`;
}

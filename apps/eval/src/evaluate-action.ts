import { join } from 'node:path';
import {
  answersOf,
  createDisplay,
  ensembleText,
  judgedTogether,
  openingOf,
  shownPath,
  startStages,
  summaryText,
  textReport,
  Workspace,
  type EnsembleResult,
  type MemberAnswers,
} from '@drf/evaluation';
import { EXIT, ExitRequest, interruptSignal } from '@drf/terminal';
import { readEnsemble, withMembers, writeJsonAtomic } from '@drf/files';
import { assertLocalLocation, fetchFolders, isObjectLocation } from '@drf/storage';
import { evaluateRuns, summaryName, type CommandOutcome } from './evaluate-command.js';
import { commandOptions } from './options.js';
import type { MainOptions } from './flags.js';

/** `drf eval RUN`. */
export async function evaluateAction(locations: string[], options: MainOptions): Promise<void> {
  assertLocalLocation('--out', options.out);
  const isQuiet = options.quiet === true || options.json === true;
  const named = await fetchFolders(locations, { silent: isQuiet });
  const runs = (await withMembers(named)).map(({ folder }) => folder);
  const [first = '', ...others] = named;
  const isEnsemble = others.length === 0 && (await readEnsemble(first)) !== undefined;
  // a copy of a run in object storage is shared, so nothing is written into it
  const own = locations.some(isObjectLocation) ? join('runs', summaryName(named)) : undefined;
  const { out = own ?? (isEnsemble ? join(first, 'eval') : undefined), ...evaluationOptions } = commandOptions(options);
  const workspace = new Workspace({ display: createDisplay(isQuiet) });
  const stages = startStages('comparisons', isQuiet);
  const interrupt = interruptSignal(() => {
    process.stderr.write('\nStopping after the work at hand (Ctrl-C again ends at once) …\n');
  });
  const answers: MemberAnswers[] = [];
  try {
    const outcome = await evaluateRuns(runs, {
      ...evaluationOptions,
      out,
      workspace,
      signal: interrupt.signal,
      onProgress: stages.onProgress,
      onResult: (result, evaluation) => {
        if (isEnsemble) answers.push(answersOf(evaluation));
        const { cells, ledger } = evaluation;
        const full = runs.length === 1 || options.details === true;
        if (options.json !== true && full)
          process.stdout.write(`${textReport(result, options.details, openingOf(result, cells, ledger))}\n\n`);
      },
    });
    stages.stop();
    const ensemble = isEnsemble && !outcome.interrupted ? await judgedTogether(answers) : null;
    const path = join(out ?? '', 'ensemble-results.json');
    if (ensemble !== null) await writeJsonAtomic(path, ensemble);
    if (options.json === true) printJson(outcome, runs.length, isEnsemble ? ensemble : undefined);
    else printOutcome(ensemble === null ? outcome : { ...outcome, written: [...outcome.written, path] });
    if (isEnsemble && options.json !== true)
      process.stdout.write(ensemble === null ? ENSEMBLE_NOTE : `\n${ensembleText(ensemble)}`);
    if (outcome.interrupted) throw new ExitRequest(EXIT.interrupted);
  } finally {
    stages.stop();
    interrupt.release();
    await workspace.dispose();
  }
}

/** One run: its `results.json`. Several: their results, and the summary; of an ensemble also its own. */
function printJson({ results, summary }: CommandOutcome, runs: number, ensemble?: EnsembleResult | null): void {
  const content = runs === 1 ? (results[0] ?? null) : { runs: results, summary, ensemble };
  process.stdout.write(`${JSON.stringify(content, null, 2)}\n`);
}

const ENSEMBLE_NOTE =
  'Each run was judged on its own held-out posts. The ensemble itself is not: most of these posts were trained on by some of its members. It is judged on posts that none of them was trained on, by --split val (which chose their epochs) or --data FILE.\n';

const SHOWN_FILES = /(results\.json|report\.html|summary\.\w+|\.csv)$/;

function printOutcome({ summary, written, notes, interrupted }: CommandOutcome): void {
  if (summary !== null) process.stdout.write(`${summaryText(summary)}\n`);
  if (interrupted) process.stdout.write('Interrupted: what was done so far is written.\n');
  const shown = written.filter((path) => SHOWN_FILES.test(path));
  const others = written.length - shown.length;
  if (written.length === 0) process.stdout.write('Nothing was written.\n');
  else process.stdout.write(`Written:\n${shown.map((path) => `  ${shownPath(path)}\n`).join('')}`);
  if (others > 0) process.stdout.write(`  and ${others} more beside them (predictions, manifests)\n`);
  for (const note of notes) process.stdout.write(`${note}\n`);
}

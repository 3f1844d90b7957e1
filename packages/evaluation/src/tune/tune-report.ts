import {
  figure,
  htmlPage,
  htmlTable,
  lineChart,
  scatterChart,
  type Chart,
  type Point,
  type TableData,
} from '@drf/experiment';
import { escapeHtml, formatCsv, formatDuration, formatTable, percent, spell, type CsvOptions } from '@drf/terminal';
import type { Importance } from './importance.js';
import type { TrialResult } from './journal.js';
import { describeDimension, shown, type Dimension } from './space.js';
import { courseOf, standings, type TunedTrial, type TuneSummary } from './summary.js';

/** Below so many trials an option, what mattered is mostly luck. */
const TRIALS_AN_OPTION = 10;
const SIGNIFICANT = 0.05;
/** Trials that a terminal lists. */
const SHOWN_TRIALS = 10;

const POINTS = (share: number): string => (100 * share).toFixed(1);

/** What a tuning found, in whole sentences. */
export function tuneSentences(summary: TuneSummary): string[] {
  const { trials, posts, best, own, caution, rungs, seconds, outcome, eta } = summary;
  const failed = trials.filter(({ results }) => results.at(-1)?.failure !== null).length;
  const whole = trials.filter(({ results }) => results.some(({ rung, failure }) => rung === rungs - 1 && failure === null)).length; // prettier-ignore
  const compared =
    `${trials.length} trials were compared on ${posts.val} validation posts in ${formatDuration(seconds)}` +
    (rungs > 1 ? `; the best 1 of ${eta} went on from rung to rung, and ${whole} were trained in full.` : '.');
  const head =
    outcome === 'interrupted'
      ? ['The tuning was interrupted; the same command goes on.']
      : outcome === 'out of time'
        ? ['The time was up; what was best by then was trained in full.']
        : [];
  const failures =
    failed === 0 ? [] : [`${failed === 1 ? 'One trial' : `${failed} trials`} failed; trials.csv says why.`];
  if (best === null || caution === null) {
    return [...head, compared, ...failures, 'No trial that may win has been trained in full yet.'];
  }
  const accuracy = best.result.accuracy as number;
  const sentences = [...head, `The best options reach ${percent(accuracy)} % validation accuracy.`, compared, ...failures]; // prettier-ignore
  if (own !== null) sentences.push(comparison(summary, accuracy));
  sentences.push(
    `An accuracy on ${posts.val} posts has a standard error of ${POINTS(caution.standardError)} points. The best of ${trials.length} equally good trials would stand up to ${POINTS(caution.luck)} points above them by luck alone, so the accuracy above promises too much: the test posts, which were not looked at, tell.`,
  );
  return sentences;
}

function comparison({ best, own, caution }: TuneSummary, accuracy: number): string {
  if (best === null || own === null || caution === null) return '';
  const before = own.result.accuracy as number;
  if (best.trial === 0) return 'They are the experiment’s own options: no other trial was better.';
  const gain = accuracy - before;
  const outside = own.mayWin ? '' : ', which lie outside of what was searched,';
  const difference =
    gain === 0
      ? `reach the same accuracy${best.result.loss === own.result.loss ? '' : ' at another loss'}`
      : `reach ${percent(before)} %, ${POINTS(Math.abs(gain))} points ${gain > 0 ? 'less' : 'more'}`;
  const verdict = gain > caution.luck ? '' : ' Luck alone can make such a difference.';
  return `The experiment’s own options${outside} ${difference}.${verdict}`;
}

/** The options that were searched, as they were and as they are best. */
function optionsTable({ space, best, before }: TuneSummary): TableData {
  return {
    caption: 'Options',
    head: ['option', 'searched', 'before', ...(best === null ? [] : ['best'])],
    rows: space.map((dimension) => [
      dimension.name,
      describeDimension(dimension),
      shown(before[dimension.name]),
      ...(best === null ? [] : [shown(best.options[dimension.name])]),
    ]),
  };
}

function importanceTable(importance: readonly Importance[]): TableData {
  return {
    caption: 'What mattered: the share of the differences after the first rung that goes with each option alone',
    head: ['option', 'share, %', '95 % interval', 'p', 'larger is', 'told from chance'],
    rows: importance.map(({ name, share, interval, pValue, correlation }) => [
      name,
      percent(share),
      `${percent(interval.low)} to ${percent(interval.high)}`,
      pValue.toFixed(3),
      correlation === null ? '–' : Math.abs(correlation) < 0.1 ? 'the same' : `${correlation > 0 ? 'better' : 'worse'}, ρ ${correlation.toFixed(2)}`, // prettier-ignore
      pValue < SIGNIFICANT ? 'yes' : 'no',
    ]),
  };
}

function importanceSentences({ importance, trials, space, rungs }: TuneSummary): string[] {
  if (importance.length === 0) {
    return [`${trials.length} trials are too few to say what mattered.`];
  }
  const sure = importance.filter(({ pValue }) => pValue < SIGNIFICANT).map(({ name }) => name);
  const few =
    trials.length < TRIALS_AN_OPTION * space.length
      ? [`Careful: ${trials.length} trials for ${space.length} options are few; what looks important may be luck.`]
      : [];
  return [
    sure.length === 0
      ? 'No option made a difference that can be told from chance.'
      : `What made a difference that can be told from chance: ${sure.join(', ')}.`,
    ...few,
    ...(rungs > 1 && space.some(({ name }) => name === 'training.epochs')
      ? ['Longer trainings have had more epochs by the first rung, so there their number looks better than it is.']
      : []),
    ...(rungs > 1 ? ['Scores here are those after the first rung, since all trials have one; what helps early need not help in the end.'] : []), // prettier-ignore
    'Each option is looked at alone: the share of the variance between trials with like values (ε²), with a bootstrap interval over trials and the p-value of shuffled scores. Options that only matter together show too little.',
  ];
}

function groupsTable({ name, groups }: Importance): TableData {
  return {
    caption: name,
    head: ['values', 'trials', 'mean accuracy after the first rung, %'],
    rows: groups.map(({ values, trials, mean }) => [values, String(trials), percent(mean)]),
  };
}

const TRIAL_HEAD = ['trial', 'epochs', 'accuracy, %', 'loss', 'seconds'];

function trialRow({ trial, fullEpochs, results, options }: TunedTrial, { space, best }: TuneSummary): string[] {
  const last = results.at(-1) as TrialResult;
  const seconds = results.reduce((sum, own) => sum + own.seconds, 0);
  const note = trial === best?.trial ? ' (best)' : trial === 0 ? ' (before)' : '';
  return [
    `${trial}${note}`,
    last.failure === null ? `${last.epochs} of ${fullEpochs}` : 'failed',
    last.accuracy === null ? '–' : percent(last.accuracy),
    last.loss?.toFixed(4) ?? '–',
    seconds.toFixed(1),
    ...space.map(({ name }) => shown(options[name])),
  ];
}

function trialsTable(summary: TuneSummary, most = Infinity): TableData {
  const { space, trials } = summary;
  const all = standings(summary);
  const more = trials.length > most ? `, the first ${most} of ${trials.length}` : '';
  return {
    caption: `Trials, those that went furthest first${more}`,
    head: [...TRIAL_HEAD, ...space.map(({ name }) => name)],
    rows: all.slice(0, most).map((own) => trialRow(own, summary)),
  };
}

/** The result for a terminal. */
export function tuneText(summary: TuneSummary): string {
  const { best, folder, outcome } = summary;
  const table = ({ caption, head, rows }: TableData): string => `${caption}\n${formatTable(head, rows)}`;
  return [
    tuneSentences(summary).join('\n'),
    table(optionsTable(summary)),
    table(trialsTable(summary, SHOWN_TRIALS)),
    ...(outcome === 'interrupted'
      ? []
      : [
          ...(summary.importance.length === 0 ? [] : [table(importanceTable(summary.importance))]),
          importanceSentences(summary).slice(0, 2).join('\n'),
        ]),
    [
      ...(best === null
        ? []
        : [`Best run: ${best.run}`, `Again:    ${best.command}`, `Test:     ${spell(`eval ${best.run}`)}`]),
      `Report:   ${folder}/report.html`,
    ].join('\n'),
  ].join('\n\n');
}

/** A row for each rung that a trial reached. */
export function trialsCsv({ trials, space }: TuneSummary, options?: CsvOptions): string {
  const columns = ['trial', 'rung', 'epochs', 'fullEpochs', 'accuracy', 'score', 'loss', 'bestEpoch', 'posts', 'seconds', 'at', 'failure'] as const; // prettier-ignore
  const rows = trials.flatMap((own) =>
    own.results.map((result) => {
      const known = { ...result, fullEpochs: own.fullEpochs };
      return [
        ...columns.map((name) => known[name] ?? ''),
        ...space.map(({ name }) => (own.options[name] === undefined ? '' : shown(own.options[name]))),
      ];
    }),
  );
  return formatCsv([...columns, ...space.map(({ name }) => name)], rows, options);
}

/** `report.html`. */
export function tuneReport(summary: TuneSummary): string {
  const { best, method, experiment, seed, eta, rungs, importance } = summary;
  const paragraph = (text: string): string => `<p>${escapeHtml(text)}</p>`;
  const halving =
    rungs === 1
      ? 'Every trial was trained in full.'
      : `Trials are trained by their whole configuration and stop at rungs: after 1/${eta ** (rungs - 1)} of their epochs first. One of ${eta} goes on from where it stands (asynchronous successive halving, decided by whole waves). Trial 0 is the experiment as it is.`;
  const body = [
    `<div class="opening">${paragraph(tuneSentences(summary).join(' ').replaceAll(' %', '\u00a0%'))}</div>`,
    htmlTable(optionsTable(summary)),
    ...(best === null
      ? []
      : [
          paragraph(`The best run is ${best.run}, a run like any other. This trains it again:`),
          `<pre class="wrap">${escapeHtml(best.command)}</pre>`,
          paragraph('And this says how good it is on posts that no trial has seen:'),
          `<pre class="wrap">${escapeHtml(spell(`eval ${best.run}`))}</pre>`,
        ]),
    '<h2>Course</h2>',
    figure(courseChart(summary)),
    '<h2>What mattered</h2>',
    ...importanceSentences(summary).map(paragraph),
    ...(importance.length === 0 ? [] : [htmlTable(importanceTable(importance))]),
    ...importance.map((own) => htmlTable(groupsTable(own))),
    '<h2>Each option</h2>',
    paragraph('Every trial by its value and its validation accuracy where it stopped.'),
    `<div class="figures">${summary.space.map((dimension) => figure(optionChart(summary, dimension))).join('\n')}</div>`,
    '<h2>Trials</h2>',
    htmlTable(trialsTable(summary)),
    '<h2>How</h2>',
    paragraph(`${method} on ${experiment}, seed ${seed}. ${halving}`),
  ];
  return htmlPage(`Tuning of ${experiment}, ${method}`, body.join('\n'));
}

function courseChart(summary: TuneSummary): Chart {
  const { any, whole } = courseOf(summary);
  const end = Math.ceil(Math.max(summary.seconds, ...any.map(({ at }) => at)));
  const stairs = (course: typeof any): Point[] =>
    course.flatMap(({ at, best }, i): Point[] => [
      { x: Math.round(at), y: 100 * best },
      { x: Math.round(course[i + 1]?.at ?? end), y: 100 * best },
    ]);
  return lineChart(
    'course',
    'Best validation accuracy so far',
    [
      { name: 'of all trials, however far', points: stairs(any), dashed: true },
      { name: 'of those trained in full', points: stairs(whole) },
    ],
    { xName: 'seconds', yName: 'percent' },
  );
}

function optionChart({ trials, rungs }: TuneSummary, dimension: Dimension): Chart {
  const { name } = dimension;
  const choices = dimension.kind === 'choices' ? dimension.values.map(shown) : undefined;
  const placeOf = (value: unknown): number | undefined => {
    if (choices === undefined) return typeof value === 'number' ? value : undefined;
    const place = choices.indexOf(shown(value));
    return place < 0 ? undefined : place;
  };
  const points = trials.flatMap(({ options, results }) => {
    const last = results.findLast(({ accuracy }) => accuracy !== null);
    const x = placeOf(options[name]);
    return last === undefined || x === undefined
      ? []
      : [{ isWhole: last.rung === rungs - 1, point: [x, 100 * (last.accuracy as number)] as const }];
  });
  const cloud = (title: string, isWhole: boolean) => ({
    name: title,
    points: points.filter((own) => own.isWhole === isWhole).map(({ point }) => point),
  });
  return scatterChart(
    `option-${name}`,
    `Validation accuracy by ${name}`,
    [cloud('trained in full', true), cloud('stopped before', false)].filter(({ points: { length } }) => length > 0),
    {
      xName: name,
      yName: 'percent',
      xLog: dimension.kind === 'range' && dimension.scale === 'log',
      ...(choices === undefined ? {} : { xCategories: choices }),
    },
  );
}

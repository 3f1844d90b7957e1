import { whatIsWrong, type LedgerReport } from '@drf/datasets';
import { corruptedModality, parseStrategy, type Setting, type Strategy } from '@drf/disruption';
import { holmAdjusted, mcnemarPValue, wilsonInterval, type ClassificationReport } from '@drf/metrics';
import { MODALITIES, type Modality } from '@drf/tensor';

// What figures say, in sentences: the openings of all reports. What may be chance is said to be.

/** Answers to the posts of one class. */
export interface ClassAnswers {
  readonly name: string;
  /** Posts of the class. */
  readonly support: number;
  /** Posts that were said to be of it. */
  readonly predicted: number;
  /** Posts of it that were said to be of it. */
  readonly right: number;
}

/** Answers to the posts of a split. */
export interface Answers {
  /** `test`, `val`, `train`, `all`, or the name of an own one. */
  readonly split: string;
  readonly classes: readonly ClassAnswers[];
  /** Mean probability of the answers given; null where it is not known. */
  readonly confidence: number | null;
}

/** What a disruption changes, post by post. */
export interface Change {
  /** As {@link cellWords} says it: "image missing". */
  readonly what: string;
  /** Posts that are right only when they are intact, and only when they are disrupted. */
  readonly lost: number;
  readonly gained: number;
}

/** Two methods on the same posts. */
export interface Contest {
  readonly first: string;
  readonly second: string;
  /** On what: "the mean over 42 disrupted cells". */
  readonly on: string;
  /** Accuracy of the first less that of the second, a share. */
  readonly difference: number;
  readonly interval: { readonly low: number; readonly high: number };
  readonly seeds: number;
  readonly verdict: 'better' | 'worse' | null;
}

/** Level at which a difference counts as more than chance. */
const LEVEL = 0.05;
/** Below so many posts, an accuracy says little. */
export const FEW_POSTS = 100;
/** Below so many posts, the score of a class may be anything. */
const FEW_OF_CLASS = 10;
/** Names that a sentence lists. */
const LISTED = 3;

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** A report's answers. */
export function answersOf(
  split: string,
  { perClass, calibration, count }: Pick<ClassificationReport, 'perClass' | 'calibration' | 'count'>,
): Answers {
  const classes = perClass.map(({ name, support, predicted, recall }) => {
    return { name, support, predicted, right: Math.round(recall * support) };
  });
  const bins = calibration?.bins ?? [];
  const confidence = bins.length === 0 ? null : sum(bins.map((bin) => bin.count * (bin.confidence ?? 0))) / count;
  return { split, classes, confidence };
}

/** How good, against always giving one answer, how sure, and at what it is worst. */
export function answerSentences(answers: Answers): string[] {
  const { classes, split } = answers;
  const total = sum(classes.map(({ support }) => support));
  if (total === 0) return [`There are no ${posts(0, split)}: nothing can be said of how good the model is.`];
  return [
    accuracySentence(answers, total),
    majoritySentence(answers, total),
    ...confidenceSentence(answers, total),
    ...worstSentence(answers),
    ...emptySentence(answers),
  ];
}

function accuracySentence({ classes, split }: Answers, total: number): string {
  const right = sum(classes.map((own) => own.right));
  const { low, high } = wilsonInterval(right, total);
  const show = percentOf(total);
  const range = `the true value lies between ${show(low)} and ${show(high)} % with 95 % confidence`;
  return `The model is right on ${right} of ${posts(total, split)}, ${show(right / total)} %; ${range}.`;
}

function majoritySentence({ classes }: Answers, total: number): string {
  const present = classes.filter(({ support }) => support > 0);
  const [most] = present.toSorted((a, b) => b.support - a.support);
  if (most === undefined) return '';
  if (present.length === 1) return `All of them are of one class, ${most.name}: this does not show whether it can tell classes apart.`; // prettier-ignore
  const show = percentOf(total);
  const isAlone = present.filter(({ support }) => support === most.support).length === 1;
  const always = `Always answering ${most.name}, ${isAlone ? 'the most frequent class' : 'one of the most frequent classes'}, would be right on ${most.support} of them (${show(most.support / total)} %)`;
  // posts of other classes that the model gets right, and posts of this one that it does not
  const [gained, lost] = [sum(present.map(({ right }) => right)) - most.right, most.support - most.right];
  if (gained === lost) return `${always}: the model is no better.`;
  const by = pointsText(Math.abs(gained - lost) / total, total);
  const isReal = mcnemarPValue(gained, lost) < LEVEL;
  const how = gained > lost ? `is better by ${by}` : `is worse by ${by}`;
  return `${always}: the model ${how}, ${isReal ? 'more than chance explains' : 'which may be chance'}.`;
}

function confidenceSentence({ classes, confidence }: Answers, total: number): string[] {
  if (confidence === null) return [];
  const right = sum(classes.map((own) => own.right));
  const { low, high } = wilsonInterval(right, total);
  const show = percentOf(total);
  const sure = `${show(confidence)} % sure on average`;
  const rightOn = `it is right on ${show(right / total)} %`;
  if (confidence > high) return [`It is too sure of itself: ${sure}, where ${rightOn}.`];
  if (confidence < low) return [`It is less sure than it could be: ${sure}, where ${rightOn}.`];
  return [`It is ${sure}, which fits how often it is right${total < FEW_POSTS ? `, as far as ${total} ${total === 1 ? 'post' : 'posts'} can tell` : ''}.`]; // prettier-ignore
}

/** F1 = 2·right / (support + predicted). */
export function f1Of({ support, predicted, right }: ClassAnswers): number {
  return right === 0 ? 0 : (2 * right) / (support + predicted);
}

function worstSentence({ classes }: Answers): string[] {
  const present = classes.filter(({ support }) => support > 0);
  if (present.length < 2) return [];
  const lowest = Math.min(...present.map(f1Of));
  const worst = present.filter((own) => f1Of(own) - lowest < 1e-9);
  const f1 = `F1 ${percentOf(0)(lowest)} %`;
  const [one] = worst;
  if (one === undefined) return [];
  if (worst.length === present.length) return [`It is equally good at all classes (${f1}).`];
  if (worst.length > 1) return [`It is worst at ${listed(worst.map(({ name }) => name))} (${f1} each).`];
  const { name, support, predicted, right } = one;
  const found = `${right === 0 ? 'none' : right} of ${support === 1 ? 'its one post' : `its ${support} posts`} ${right > 1 ? 'are' : 'is'} found`;
  const answered =
    predicted === 0
      ? 'it is never the answer'
      : `${right === 0 ? 'none' : right} of the ${predicted === 1 ? 'one time' : `${predicted} times`} that it is the answer ${right > 1 ? 'are' : 'is'} right`;
  const may = support < FEW_OF_CLASS ? '; so few posts may mislead' : '';
  return [`It is worst at ${name}: ${found}, and ${answered} (${f1})${may}.`]; // prettier-ignore
}

function emptySentence({ classes, split }: Answers): string[] {
  const empty = classes.filter(({ support }) => support === 0).map(({ name }) => name);
  if (empty.length === 0) return [];
  return [
    `No ${posts(0, split)} are of ${listed(empty, 'or')}: no score counts ${empty.length === 1 ? 'it' : 'them'}.`,
  ];
}

/**
 * What disruptions cost, by McNemar's exact test on the posts, corrected by Holm over the disruptions.
 * @param total posts
 */
export function changeSentences(changes: readonly Change[], total: number): string[] {
  if (total === 0) return [];
  if (changes.length === 0) return ['What corrupted and missing images and texts cost was not evaluated.'];
  const corrected = holmAdjusted(changes.map(({ lost, gained }) => mcnemarPValue(lost, gained)));
  const isReal = (_: Change, i: number): boolean => (corrected[i] as number) < LEVEL;
  const by = ({ lost, gained }: Change): string => pointsText(Math.abs(lost - gained) / total, total);
  const when = ({ what }: Change): string => {
    const [, share, modality, rest] = /^(\S+ %) of posts: (image or text|image|text) (.*)$/.exec(what) ?? [];
    if (share !== undefined) return `when ${modality} of ${share} of the posts is ${rest}`;
    return `when the ${what.replace(/^(image|text) /, '$1 is ')}`;
  };
  const costs = changes.filter((own, i) => isReal(own, i) && own.lost > own.gained);
  const helps = changes.filter((own, i) => isReal(own, i) && own.gained > own.lost);
  const noise = changes.filter((own, i) => !isReal(own, i));
  const signed = (own: Change): string => own.lost === own.gained ? 'no change' : `${own.lost > own.gained ? '−' : '+'}${by(own)}`; // prettier-ignore
  const quiet = noise.map((own) => `${own.what} (${signed(own)})`);
  const few = total < FEW_POSTS ? ` on so few posts` : '';
  return [
    ...(costs.length === 0 ? [] : [`It loses ${joined(costs.map((own) => `${by(own)} ${when(own)}`))}.`]),
    ...(helps.length === 0 ? [] : [`It gains ${joined(helps.map((own) => `${by(own)} ${when(own)}`))}.`]),
    ...(noise.length === 0
      ? []
      : [
          costs.length + helps.length === 0
            ? `No disruption changes its accuracy by more than chance explains${few}: ${joined(quiet)}.`
            : `What else changes is no more than chance explains${few}: ${joined(quiet)}.`,
        ]),
  ];
}

/** What was left out of the data, and why. */
export function lossSentences({ rows, kept, reasons, undecoded = 0 }: LedgerReport): string[] {
  const dropped = rows - kept;
  if (rows === 0) return [];
  if (dropped === 0) return [`All ${rows} rows of the data were used.`];
  const why = reasons.toSorted((a, b) => b.count - a.count).map(({ reason, count }) => `${count} ${whatIsWrong(reason, count)}`); // prettier-ignore
  const late = undecoded === 0 ? '' : `; ${undecoded} of them ${undecoded === 1 ? 'was' : 'were'} left out only while encoding`; // prettier-ignore
  return [`Of ${rows} rows of the data ${kept} were used; ${dropped} ${dropped === 1 ? 'was' : 'were'} left out: ${listed(why)}${late}.`]; // prettier-ignore
}

/** What a reader of scores must be warned of. */
export function answerWarnings(answers: Answers): string[] {
  const { classes, split } = answers;
  const total = sum(classes.map(({ support }) => support));
  const few = `Only ${posts(total, split)}: each is ${pointsText(1 / total, total)} of accuracy, and small differences mean nothing.`;
  return [...(total > 0 && total < FEW_POSTS ? [few] : []), ...knownPostsWarnings(answers)];
}

/** Where the posts are not new to the model, that others will fare worse. */
export function knownPostsWarnings({ split }: Pick<Answers, 'split'>): string[] {
  switch (split) {
    case 'train':
      return ['The model was trained on these very posts: it will do worse on others.'];
    case 'val':
      return ['The best epoch was chosen by these very posts: others will fare a little worse.'];
    case 'all':
      return ['Posts that the model was trained on may be among these: it will do worse on others.'];
    default:
      return [];
  }
}

/** A method's mean accuracy, as shares; null where it was not tested so. */
export interface Standing {
  readonly name: string;
  readonly intact: number | null;
  readonly disrupted: number | null;
}

/** Which of some methods is right most often, on intact and on disrupted posts; nothing is said of what may be chance. */
export function standingSentences(standings: readonly Standing[]): string[] {
  const show = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const lead = (of: 'intact' | 'disrupted', where: string): string[] => {
    const known = standings.flatMap(({ name, [of]: value }) => (value === null ? [] : [{ name, value }]));
    const best = Math.max(...known.map(({ value }) => value));
    const first = known.filter(({ value }) => show(value) === show(best)).map(({ name }) => name);
    const [one] = known;
    if (one === undefined) return [];
    if (known.length === 1) return [`On ${where}, ${one.name} is right on ${show(one.value)}.`];
    return [`On ${where}, ${listed(first)} ${first.length === 1 ? 'is' : 'are'} right most often: on ${show(best)}.`];
  };
  return [
    ...lead('intact', 'intact posts'),
    ...lead('disrupted', 'posts of which one modality is corrupted or missing'),
  ];
}

/** What comparisons of methods show: the contests one by one, and single comparisons by number. */
export function contestSentences(contests: readonly Contest[], verdicts: readonly Contest['verdict'][]): string[] {
  const decided = contests.filter(({ verdict }) => verdict !== null);
  const open = contests.filter(({ verdict }) => verdict === null);
  const range = ({ interval: { low, high } }: Contest): string => `95 % interval ${signedPoints(low)} to ${signedPoints(high)}`; // prettier-ignore
  const said = decided.map((own) => {
    const { first, second, on, difference, verdict } = own;
    return `On ${on}, ${first} is ${verdict} than ${second} by ${Math.abs(100 * difference).toFixed(1)} points (${range(own)}).`;
  });
  const places = [...new Set(open.map(({ on, first }) => `${on}, ${first}`))];
  for (const place of places) {
    const own = open.filter(({ on, first }) => `${on}, ${first}` === place);
    const others = own.map((each) => `${each.second} (${signedPoints(each.difference)} points${own.length > LISTED ? '' : `, ${range(each)}`})`); // prettier-ignore
    const why = own.every(({ seeds }) => seeds === 1) ? 'one seed is too few to say' : `${own.length === 1 ? 'this' : 'each'} may be chance`; // prettier-ignore
    said.push(`On ${place} cannot be told from ${joined(others, 'or')}: ${why}.`);
  }
  const [one] = contests;
  const count = (wanted: Contest['verdict']): number => verdicts.filter((own) => own === wanted).length;
  if (one === undefined || verdicts.length === 0) return said;
  const single = verdicts.length === 1 ? 'the one comparison of a single cell' : `${verdicts.length} comparisons of single cells`; // prettier-ignore
  return [
    ...said,
    `In ${single}, ${one.first} is better in ${count('better')}, worse in ${count('worse')}, and ${count(null)} ${count(null) === 1 ? 'is' : 'are'} undecided.`,
  ];
}

const SETTING_WORDS: Readonly<Record<Setting, string>> = {
  C: 'corrupted',
  D: 'missing',
  'C+D': 'corrupted or missing',
};

/**
 * A cell's disruption in words: `fixed:image:C` → "image corrupted", `random:0.6:D` → "60 % of posts: image or text
 * missing", a setting alone `C` → "corrupted", `fixed:text:typos@2` → "text corrupted by typos of severity 2",
 * `missing:image=0.3` → "image missing in 30 % of posts". A name that is none, and a disruption of the user's own, stay as they are.
 */
export function cellWords(cell: string): string {
  if (Object.hasOwn(SETTING_WORDS, cell)) return SETTING_WORDS[cell as Setting];
  const [name = cell, ...rest] = cell.split(' ');
  if (rest.length > 0) return [cellWords(name), ...rest].join(' ');
  if (cell === 'clean' || cell === 'none') return 'intact posts';
  const strategy = parsed(cell);
  switch (strategy?.kind) {
    case 'modality-fixed':
      return `${strategy.modality satisfies Modality} ${SETTING_WORDS[strategy.setting]}`;
    case 'modality-random':
      return `${wholePercent(strategy.ratio)} of posts: image or text ${SETTING_WORDS[strategy.setting]}`;
    case 'corruption': {
      const { corruption, severity, ratio } = strategy;
      const how = `corrupted by ${corruption.replaceAll('_', ' ')} of ${severity === null ? 'any severity' : `severity ${severity}`}`;
      const where = ratio === 1 ? '' : `${wholePercent(ratio)} of posts: `;
      return `${where}${corruptedModality(corruption)} ${how}`;
    }
    case 'missing': {
      const rates = MODALITIES.filter((modality) => strategy[modality] > 0);
      if (rates.length === 0) return 'intact posts';
      return `${rates.map((own) => `${own} missing in ${wholePercent(strategy[own])}`).join(', ')} of posts`;
    }
    case 'none':
      return 'intact posts';
    case 'own':
    case undefined:
      return cell;
  }
}

function parsed(cell: string): Strategy | undefined {
  try {
    return parseStrategy(cell);
  } catch {
    return undefined;
  }
}

function wholePercent(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}

const SPLIT_WORDS: Readonly<Record<string, string>> = {
  test: 'test ',
  val: 'validation ',
  train: 'training ',
  all: '',
};

/** "1 test post", "120 validation posts", "3 posts of split dev"; of 0 without the number. */
function posts(count: number, split: string): string {
  const kind = SPLIT_WORDS[split];
  const noun = `${kind ?? ''}${count === 1 ? 'post' : 'posts'}`;
  return `${count === 0 ? '' : `${count} `}${noun}${kind === undefined ? ` of split ${split}` : ''}`;
}

/** Percent as exact as so many posts allow: whole below a thousand. */
function percentOf(total: number): (share: number) => string {
  return (share) => (100 * share).toFixed(total < 1000 ? 0 : 1);
}

/** "1 point", "12 points", "0.4 points". */
function pointsText(share: number, total: number): string {
  const exact = 100 * share;
  const text = total >= 1000 || (exact < 0.5 && exact > 0) ? exact.toFixed(1) : exact.toFixed(0);
  return `${text} ${text === '1' ? 'point' : 'points'}`;
}

function signedPoints(share: number): string {
  const text = (100 * Math.abs(share)).toFixed(1);
  return text === '0.0' ? '0.0' : `${share < 0 ? '−' : '+'}${text}`;
}

/** "a", "a and b", "a, b and c". */
function joined(names: readonly string[], word = 'and'): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} ${word} ${last}`;
}

/** Of many names only some: "a, b, c and 4 more". */
function listed(names: readonly string[], word = 'and'): string {
  if (names.length <= LISTED + 1) return joined(names, word);
  return `${names.slice(0, LISTED).join(', ')} ${word} ${names.length - LISTED} more`;
}

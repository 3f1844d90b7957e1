/** How a trial did at a rung, on the validation split. */
export interface RungScore {
  /** 0: the experiment's own options; the others are sampled. */
  readonly trial: number;
  readonly rung: number;
  /** Higher is better; null for a trial that failed. */
  readonly score: number | null;
  /** Decides between equal scores: lower is better. */
  readonly loss: number | null;
}

/** A trial that is to reach a rung. */
export interface Step {
  readonly trial: number;
  readonly rung: number;
}

export interface HalvingOptions {
  /** One of so many trials goes on from rung to rung (η); 1: every trial is trained in full. */
  readonly eta: number;
  /** How many there are; the last is the whole training. */
  readonly rungs: number;
  /** Most trials that are begun; Infinity for as many as there is time for. */
  readonly trainings: number;
  /** Whether the experiment's own options lie where is searched, so that they may win. */
  readonly ownMayWin: boolean;
}

/** Trials that begin together, or more where fewer would let none go on to the last rung. */
const NEW_TRIALS = 9;

/** Best first: by score, then loss, then the earlier trial. Failed trials come last. */
export function ranked<Score extends RungScore>(scores: readonly Score[]): Score[] {
  return scores.toSorted(
    (a, b) =>
      (b.score ?? -Infinity) - (a.score ?? -Infinity) ||
      (a.loss ?? Infinity) - (b.loss ?? Infinity) ||
      a.trial - b.trial,
  );
}

/** Rungs of trainings of so many epochs: as many as leave the first one an epoch, and three at most. */
export function rungsOf(epochs: number, eta: number): number {
  if (eta <= 1) return 1;
  return Math.min(3, 1 + Math.floor(Math.log(epochs) / Math.log(eta) + 1e-9));
}

/** Epochs in all after which a trial stands at a rung: a share of its own full training. */
export function epochsAt(rung: number, epochs: number, { eta, rungs }: Pick<HalvingOptions, 'eta' | 'rungs'>): number {
  return Math.max(1, Math.ceil(epochs / eta ** (rungs - 1 - rung) - 1e-9));
}

/**
 * What is trained next: trials that go on, and new ones. It depends on nothing but the scores, which are those of whole
 * waves, so that it is the same however many trials are trained side by side.
 *
 * A trial goes on when it is among the best 1/η of all that reached its rung so far: ASHA's rule, which unlike plain
 * successive halving can go on with further trials at any time, here applied wave by wave in place of whenever a worker is
 * free. The experiment's own options go on in any case, for comparison. At the end the best sampled trial does, too, if
 * none was trained in full.
 * Source: Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht, Talwalkar, "A system for massively parallel
 * hyperparameter tuning" (MLSys 2020), Algorithm 2.
 * @returns nothing when all is done
 */
export function nextWave(scores: readonly RungScore[], options: HalvingOptions): Step[] {
  const { eta, rungs, trainings } = options;
  const begun = scores.filter(({ rung }) => rung === 0).length;
  const goingOn = Array.from({ length: rungs - 1 }, (_, rung) => promoted(scores, rung, eta)).flat();
  const fresh = Math.max(0, Math.min(Math.max(NEW_TRIALS, Math.ceil(eta ** (rungs - 1))), trainings - begun));
  const wave = [...goingOn, ...Array.from({ length: fresh }, (_, i) => ({ trial: begun + i, rung: 0 }))];
  return wave.length > 0 ? wave : finishing(scores, options);
}

function promoted(scores: readonly RungScore[], rung: number, eta: number): Step[] {
  const here = ranked(scores.filter((own) => own.rung === rung));
  const best = here.slice(0, Math.floor(here.length / eta));
  const above = new Set(scores.filter((own) => own.rung > rung).map(({ trial }) => trial));
  return here
    .filter((own) => own.score !== null && !above.has(own.trial) && (best.includes(own) || own.trial === 0))
    .map(({ trial }) => ({ trial, rung: rung + 1 }));
}

/** What is left where nothing new begins: the experiment's own options and the best sampled trial in full. */
export function finishing(scores: readonly RungScore[], { rungs }: Pick<HalvingOptions, 'rungs'>): Step[] {
  const reached = (trial: number): RungScore | undefined =>
    scores.filter((own) => own.trial === trial).reduce<RungScore | undefined>((a, b) => (a === undefined || b.rung > a.rung ? b : a), undefined); // prettier-ignore
  const trials = [...new Set(scores.map(({ trial }) => trial))].filter((trial) => trial !== 0);
  const highest = trials.flatMap((trial) => reached(trial) ?? []).filter(({ score }) => score !== null);
  const isDone = highest.some(({ rung }) => rung === rungs - 1);
  const top = Math.max(...highest.map(({ rung }) => rung));
  const [best] = ranked(highest.filter(({ rung }) => rung === top));
  const own = reached(0);
  return [
    ...(own !== undefined && own.score !== null && own.rung < rungs - 1 ? [{ trial: 0, rung: rungs - 1 }] : []),
    ...(isDone || best === undefined ? [] : [{ trial: best.trial, rung: rungs - 1 }]),
  ];
}

/** The best trial that was trained in full; nothing where none was. */
export function winner(
  scores: readonly RungScore[],
  { rungs, ownMayWin }: Pick<HalvingOptions, 'rungs' | 'ownMayWin'>,
): RungScore | undefined {
  const whole = scores.filter(({ rung, score, trial }) => rung === rungs - 1 && score !== null && (trial !== 0 || ownMayWin)); // prettier-ignore
  return ranked(whole)[0];
}

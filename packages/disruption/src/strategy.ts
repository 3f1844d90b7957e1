import { ConfigurationError, isOwnId, MODALITIES, ownDefinition, refuser, type Modality } from '@drf/tensor';
import { corruptedModality, CORRUPTION_NAMES, isCorruptionName, type CorruptionName } from './corruptions.js';
import { SEVERITIES, type Severity } from './severity.js';

/** What a disruption does to a modality: destroys part of it, or takes it away (λ = 0). */
export type Operation = 'corrupt' | 'discard';

/** C only corrupts, D only discards, C+D corrupts half of the disrupted posts and discards in the other half. */
export type Setting = 'C' | 'D' | 'C+D';
/** The three settings: corrupt, discard, either by a fair coin. */
export const SETTINGS = ['C', 'D', 'C+D'] as const satisfies readonly Setting[];

/**
 * Which posts are disrupted, and where: no post; one named modality of every post; in a ratio dr of the posts, one of the
 * two modalities at random; in a ratio of the posts, the modality that a corruption takes; or each modality missing in a
 * share of the posts of its own.
 */
export type Strategy =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'modality-fixed'; readonly modality: Modality; readonly setting: Setting } & Shares)
  | ({ readonly kind: 'modality-random'; readonly ratio: number; readonly setting: Setting } & Shares)
  | CorruptionStrategy
  | MissingStrategy
  | OwnStrategy;

/** A corruption beyond the paper's, and how bad it is. */
export interface SevereCorruption {
  readonly corruption: CorruptionName;
  /** null: drawn for each post, all five equally often. */
  readonly severity: Severity | null;
}

/** In a ratio of the posts, one corruption beyond the paper's to the modality that it takes. */
export interface CorruptionStrategy extends SevereCorruption, Shares {
  readonly kind: 'corruption';
  readonly ratio: number;
}

/** Each modality is missing in a share of the posts of its own; no post misses both. */
export interface MissingStrategy extends Shares {
  readonly kind: 'missing';
  /** Share of the posts without image. */
  readonly image: number;
  /** Share of the posts without text. */
  readonly text: number;
}

/** In a ratio of the posts, a disruption of the user's own, to one of the modalities that it takes, at random. */
export interface OwnStrategy extends Shares {
  readonly kind: 'own';
  /** Its id and the options that were given: "blur@1f0c8a93d2e4:radius=3". */
  readonly own: string;
  readonly ratio: number;
}

/** How shares of posts (dr, and the halves of C+D) are held. */
export interface Shares {
  /**
   * Left out: to the post, over the posts that are planned together. True: each post is decided on its own, so that
   * shares hold on average; then a plan does not depend on which other posts there are.
   */
  readonly independent?: boolean;
}

/** What a seed may be; `1` and `'1'` are the same seed. */
export type Seed = number | string;

const FORMS =
  '"none", "fixed:MODALITY:SETTING", "random:RATIO:SETTING" (in place of a setting also CORRUPTION@SEVERITY), ' +
  '"missing:image=RATIO:text=RATIO" or "MODULE:RATIO:OPTION=VALUE"';
/** Ends the name of a strategy whose shares hold on average only. */
const INDEPENDENT = 'independent';
const EXAMPLE = 'write it like fixed:image:C+D or random:0.6:D, fixed:text:typos@3 or missing:image=0.3:text=0.1';

function refuse(text: string, expected: string, received: string): ConfigurationError {
  return refuser(ConfigurationError, `Disruption strategy ${JSON.stringify(text)}`)(expected, received, EXAMPLE);
}

function parseSetting(text: string, setting: string): Setting {
  const known = SETTINGS.find((candidate) => candidate === setting);
  if (known !== undefined) return known;
  const names = Object.values(CORRUPTION_NAMES).flat().join(', ');
  throw refuse(text, `a setting of ${SETTINGS.join(', ')}, or a corruption of ${names}`, JSON.stringify(setting));
}

function parseModality(text: string, modality: string): Modality {
  const known = MODALITIES.find((candidate) => candidate === modality);
  if (known === undefined) throw refuse(text, `a modality of ${MODALITIES.join(', ')}`, JSON.stringify(modality));
  return known;
}

function parseRatio(text: string, ratio: string): number {
  const value = /^(\d+(\.\d+)?|\.\d+)(e-?\d+)?$/i.test(ratio) ? Number(ratio) : Number.NaN;
  if (!(value >= 0 && value <= 1)) throw refuse(text, 'a ratio from 0 to 1', JSON.stringify(ratio));
  return value;
}

type Refuse = (expected: string, received: string) => ConfigurationError;

/** @returns undefined for what is no corruption */
function corruptionIn(part: string, refusal: Refuse): SevereCorruption | undefined {
  const [, corruption, level] = /^([a-z_]+)(?:@(.*))?$/.exec(part) ?? [];
  if (!isCorruptionName(corruption)) return undefined;
  const severity = level === undefined ? null : SEVERITIES.find((own) => String(own) === level);
  if (severity !== undefined) return { corruption, severity };
  throw refusal(`a severity from 1 to 5 after "${corruption}@", or none to have it drawn`, JSON.stringify(level));
}

/**
 * Reads a corruption with its severity, `typos@3`, or without, `typos`, for severities that are drawn.
 * @throws ConfigurationError for what is no corruption, and for other severities than 1 to 5
 */
export function parseCorruption(text: string): SevereCorruption {
  const refusal = refuser(ConfigurationError, `Corruption ${JSON.stringify(text)}`);
  const corruption = corruptionIn(text, refusal);
  if (corruption !== undefined) return corruption;
  throw refusal(`one of ${Object.values(CORRUPTION_NAMES).flat().join(', ')}`, JSON.stringify(text));
}

/** @throws ConfigurationError for a rate out of range, and for rates at which a post would miss both modalities */
function parseMissing(text: string, parts: readonly string[], shares: Shares): MissingStrategy {
  const rates = { image: 0, text: 0 };
  const given = new Set<Modality>();
  for (const part of parts) {
    const [, name = part, rate = ''] = /^([^=]*)=(.*)$/.exec(part) ?? [];
    const modality = parseModality(text, name);
    if (given.has(modality)) throw refuse(text, 'each modality once', `${modality} twice`);
    given.add(modality);
    rates[modality] = parseRatio(text, rate);
  }
  if (given.size === 0) throw refuse(text, 'a rate for image, text or both', 'none');
  if (rates.image + rates.text > 1 + 1e-9) {
    throw refuse(
      text,
      'rates that add up to at most 1, since a post that misses both modalities says nothing',
      `image ${rates.image} and text ${rates.text}`,
    );
  }
  return { kind: 'missing', ...rates, ...shares };
}

/** A file, package or id of a disruption of the user's own, and what follows it. */
const OWN_FORM = /^(package:[^:]+|.+?\.[mc]?[jt]s|[\w.+-]+@[0-9a-f]{12})(?::(.*))?$/s;

/** The module that a strategy's text names, which must be loaded before the text is parsed; undefined for the others. */
export function moduleOf(text: string): string | undefined {
  const module = OWN_FORM.exec(text.trim())?.[1];
  return module === undefined || isOwnId(module) ? undefined : module;
}

/** @throws ConfigurationError for a module that was not loaded, and naming the part that is wrong */
function parseOwn(text: string, module: string, rest: string | undefined): OwnStrategy {
  const parts = rest === undefined ? [] : rest.split(':');
  const independent = parts.at(-1) === INDEPENDENT ? { independent: true } : {};
  if (parts.at(-1) === INDEPENDENT) parts.pop();
  const ratio = parts[0]?.includes('=') === false ? parseRatio(text, parts.shift() as string) : 1;
  const wrong = parts.find((part) => !/^[^=,]+=[^,]*$/.test(part));
  if (wrong !== undefined) throw refuse(text, 'options such as radius=3 after the ratio', JSON.stringify(wrong));
  const id = isOwnId(module) ? module : ownDefinition(module, 'disruption').id;
  return { kind: 'own', own: [id, ...parts.sort()].join(':'), ratio, ...independent };
}

/**
 * Reads a strategy as written on a command line: `none`, `fixed:image:C+D`, `random:0.6:D`, with shares that hold on
 * average only `random:0.6:D:independent`; `fixed:image:gaussian_noise@3`, `random:0.6:typos`;
 * `missing:image=0.3:text=0.1`; and for a disruption of the user's own `./blur.ts:0.4:radius=3`, whose module was loaded
 * before (`loadDefinition` of @drf/files).
 * @throws ConfigurationError naming the part that is wrong.
 */
export function parseStrategy(text: string): Strategy {
  const [, module, details] = OWN_FORM.exec(text) ?? [];
  if (module !== undefined) return parseOwn(text, module, details);
  const [kind, ...parts] = text.split(':');
  if (kind === 'missing') {
    const isIndependent = parts.at(-1) === INDEPENDENT;
    const rates = isIndependent ? parts.slice(0, -1) : parts;
    return parseMissing(text, rates, isIndependent ? { independent: true } : {});
  }
  const [detail, setting, shares, ...rest] = parts;
  if (kind === 'none' && detail === undefined) return { kind: 'none' };
  if (detail === undefined || setting === undefined || rest.length > 0) throw refuse(text, FORMS, 'another form');
  if (shares !== undefined && shares !== INDEPENDENT) {
    throw refuse(text, `nothing or "${INDEPENDENT}" after the setting`, JSON.stringify(shares));
  }
  const independent = shares === undefined ? {} : { independent: true };
  const corruption = corruptionIn(setting, (expected, received) => refuse(text, expected, received));
  if (kind === 'fixed') {
    const modality = parseModality(text, detail);
    if (corruption !== undefined && corruptedModality(corruption.corruption) !== modality) {
      const own = corruptedModality(corruption.corruption);
      throw refuse(text, `${own} with ${corruption.corruption}, which corrupts ${own}s`, modality);
    }
    const strategy: Strategy =
      corruption === undefined
        ? { kind: 'modality-fixed', modality, setting: parseSetting(text, setting), ...independent }
        : { kind: 'corruption', ...corruption, ratio: 1 };
    if (shares !== undefined && setting !== 'C+D') {
      throw refuse(text, `"${INDEPENDENT}" with C+D or a ratio alone`, `setting ${setting}, which has no shares`);
    }
    return strategy;
  }
  if (kind === 'random') {
    const ratio = parseRatio(text, detail);
    if (corruption === undefined) {
      return { kind: 'modality-random', ratio, setting: parseSetting(text, setting), ...independent };
    }
    return { kind: 'corruption', ...corruption, ratio, ...(ratio === 1 ? {} : independent) };
  }
  throw refuse(text, FORMS, `the kind ${JSON.stringify(kind)}`);
}

/** The strategy as {@link parseStrategy} reads it. */
export function formatStrategy(strategy: Strategy): string {
  switch (strategy.kind) {
    case 'none':
      return 'none';
    case 'modality-fixed':
      return `fixed:${strategy.modality}:${strategy.setting}${suffixOf(strategy)}`;
    case 'modality-random':
      return `random:${strategy.ratio}:${strategy.setting}${suffixOf(strategy)}`;
    case 'corruption': {
      const { corruption, severity, ratio } = strategy;
      const where = ratio === 1 ? `fixed:${corruptedModality(corruption)}` : `random:${ratio}`;
      return `${where}:${corruption}${severity === null ? '' : `@${severity}`}${suffixOf(strategy)}`;
    }
    case 'missing': {
      const rates = MODALITIES.filter((modality) => strategy[modality] > 0);
      const shown = (rates.length === 0 ? MODALITIES.slice(0, 1) : rates).map((own) => `${own}=${strategy[own]}`);
      return `missing:${shown.join(':')}${suffixOf(strategy)}`;
    }
    case 'own': {
      const [id, ...options] = strategy.own.split(':');
      return [id, strategy.ratio, ...options].join(':') + suffixOf(strategy);
    }
  }
}

function suffixOf({ independent }: Shares): string {
  return independent === true ? `:${INDEPENDENT}` : '';
}

/** {@link formatStrategy} without colons, which some file systems refuse: `fixed-image-C+D`. */
export function strategyFileName(strategy: Strategy): string {
  return formatStrategy(strategy).replaceAll(':', '-');
}

/**
 * Checks a strategy that did not come from {@link parseStrategy}.
 * @throws ConfigurationError naming the part that is wrong.
 */
export function assertStrategy(strategy: Strategy): void {
  const again = parseStrategy(formatStrategy(strategy));
  if (again.kind !== strategy.kind) throw refuse(formatStrategy(strategy), FORMS, `the kind ${strategy.kind}`);
}

/** The ratios dr of the paper's modality-random strategy. */
export const PAPER_RATIOS = [0.2, 0.4, 0.6, 0.8, 1] as const;

type Fixed = Extract<Strategy, { kind: 'modality-fixed' }>;
type Random = Extract<Strategy, { kind: 'modality-random' }>;

/** {image, text} × {C, D, C+D}: the paper's modality-fixed rows. */
export function fixedStrategies(): Fixed[] {
  return MODALITIES.flatMap((modality) =>
    SETTINGS.map((setting): Fixed => ({ kind: 'modality-fixed', modality, setting })),
  );
}

/** dr × {C, D, C+D}: the paper's modality-random rows, unless other ratios are given. */
export function randomStrategies(ratios: readonly number[] = PAPER_RATIOS): Random[] {
  return SETTINGS.flatMap((setting) => ratios.map((ratio): Random => ({ kind: 'modality-random', ratio, setting })));
}

/**
 * Every corruption beyond the paper's to every post that has both modalities, by severity.
 * @param severities default: all five
 */
export function corruptionStrategies(
  names: readonly CorruptionName[] = Object.values(CORRUPTION_NAMES).flat(),
  severities: readonly Severity[] = SEVERITIES,
): CorruptionStrategy[] {
  return names.flatMap((corruption) =>
    severities.map((severity): CorruptionStrategy => ({ kind: 'corruption', corruption, severity, ratio: 1 })),
  );
}

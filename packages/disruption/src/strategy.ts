import { ConfigurationError, isOwnId, MODALITIES, ownDefinition, type Modality } from '@drf/tensor';

/** What a disruption does to a modality: destroys part of it, or takes it away (λ = 0). */
export type Operation = 'corrupt' | 'discard';

/** C only corrupts, D only discards, C+D corrupts half of the disrupted posts and discards in the other half. */
export type Setting = 'C' | 'D' | 'C+D';
/** The three settings: corrupt, discard, either by a fair coin. */
export const SETTINGS = ['C', 'D', 'C+D'] as const satisfies readonly Setting[];

/**
 * Which posts are disrupted, and where: no post; one named modality of every post; or, in a ratio dr of the posts, one
 * of the two modalities at random.
 */
export type Strategy =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'modality-fixed'; readonly modality: Modality; readonly setting: Setting } & Shares)
  | ({ readonly kind: 'modality-random'; readonly ratio: number; readonly setting: Setting } & Shares)
  | OwnStrategy;

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

const FORMS = '"none", "fixed:MODALITY:SETTING", "random:RATIO:SETTING" or "MODULE:RATIO:OPTION=VALUE"';
/** Ends the name of a strategy whose shares hold on average only. */
const INDEPENDENT = 'independent';
const EXAMPLE = 'write it like fixed:image:C+D or random:0.6:D';

function refuse(text: string, expected: string, received: string): ConfigurationError {
  return new ConfigurationError({
    subject: `Disruption strategy ${JSON.stringify(text)}`,
    expected,
    received,
    remedy: EXAMPLE,
  });
}

function parseSetting(text: string, setting: string): Setting {
  const known = SETTINGS.find((candidate) => candidate === setting);
  if (known === undefined) throw refuse(text, `a setting of ${SETTINGS.join(', ')}`, JSON.stringify(setting));
  return known;
}

function parseModality(text: string, modality: string): Modality {
  const known = MODALITIES.find((candidate) => candidate === modality);
  if (known === undefined) throw refuse(text, `a modality of ${MODALITIES.join(', ')}`, JSON.stringify(modality));
  return known;
}

function parseRatio(text: string, ratio: string): number {
  const value = /^(\d+(\.\d+)?|\.\d+)$/.test(ratio) ? Number(ratio) : Number.NaN;
  if (!(value >= 0 && value <= 1)) throw refuse(text, 'a ratio from 0 to 1', JSON.stringify(ratio));
  return value;
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
 * average only `random:0.6:D:independent`, and for a disruption of the user's own `./blur.ts:0.4:radius=3`, whose module
 * was loaded before (`loadDefinition` of @drf/files).
 * @throws ConfigurationError naming the part that is wrong.
 */
export function parseStrategy(text: string): Strategy {
  const [, module, details] = OWN_FORM.exec(text) ?? [];
  if (module !== undefined) return parseOwn(text, module, details);
  const [kind, detail, setting, shares, ...rest] = text.split(':');
  if (kind === 'none' && detail === undefined) return { kind: 'none' };
  if (detail === undefined || setting === undefined || rest.length > 0) throw refuse(text, FORMS, 'another form');
  if (shares !== undefined && shares !== INDEPENDENT) {
    throw refuse(text, `nothing or "${INDEPENDENT}" after the setting`, JSON.stringify(shares));
  }
  const independent = shares === undefined ? {} : { independent: true };
  if (kind === 'fixed') {
    const modality = parseModality(text, detail);
    const strategy = {
      kind: 'modality-fixed',
      modality,
      setting: parseSetting(text, setting),
      ...independent,
    } as const;
    if (shares !== undefined && strategy.setting !== 'C+D') {
      throw refuse(text, `"${INDEPENDENT}" with C+D or a ratio alone`, `setting ${setting}, which has no shares`);
    }
    return strategy;
  }
  if (kind === 'random') {
    const ratio = parseRatio(text, detail);
    return { kind: 'modality-random', ratio, setting: parseSetting(text, setting), ...independent };
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

/** {image, text} × {C, D, C+D}: the paper's modality-fixed rows. */
export function fixedStrategies(): Strategy[] {
  return MODALITIES.flatMap((modality) =>
    SETTINGS.map((setting): Strategy => ({ kind: 'modality-fixed', modality, setting })),
  );
}

/** dr × {C, D, C+D}: the paper's modality-random rows, unless other ratios are given. */
export function randomStrategies(ratios: readonly number[] = PAPER_RATIOS): Strategy[] {
  return SETTINGS.flatMap((setting) => ratios.map((ratio): Strategy => ({ kind: 'modality-random', ratio, setting })));
}

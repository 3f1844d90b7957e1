import { appendFile, readFile } from 'node:fs/promises';
import { writeFileAtomic } from '@drf/files';
import { refuser, DataError } from '@drf/tensor';
import type { RungScore, Step } from './halving.js';

/** What became of a trial at a rung. */
export interface TrialResult extends RungScore {
  /** In all, of its whole training. */
  readonly epochs: number;
  /** Of the best epoch so far, on the validation posts; null for a trial that failed. */
  readonly accuracy: number | null;
  readonly bestEpoch: number | null;
  /** Validation posts that decided. */
  readonly posts: number;
  /** For this rung alone. */
  readonly seconds: number;
  /** Why it failed; null where it did not. */
  readonly failure: string | null;
  /** Seconds of tuning when it ended, earlier sessions included. */
  readonly at: number;
}

type Line =
  | { readonly format: string; readonly identity: string }
  | { readonly wave: readonly Step[] }
  | { readonly result: TrialResult };

const FORMAT = 'drf-tune-journal/1';

/**
 * What a tuning has decided and found, line by line as it happens, so that whatever ends the program loses the trials that
 * were running and nothing else. A line that a crash tore off counts for nothing.
 */
export class Journal {
  private constructor(
    private readonly path: string,
    private readonly waves: Step[],
    private readonly found: TrialResult[],
  ) {}

  /**
   * Opens a journal, or begins one.
   * @param identity of what is tuned
   * @throws DataError for the journal of another tuning, and for a file that cannot be read or is none
   */
  static async open(path: string, identity: string): Promise<Journal> {
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw refuser(DataError, `Tuning ${path}`)('a journal that can be read', error.code ?? error.message, 'check the file', error); // prettier-ignore
    });
    const lines = text.split('\n').slice(0, -1).flatMap(parsed);
    const [head, ...rest] = lines;
    if (head === undefined && text.trim() === '') {
      await writeFileAtomic(path, `${JSON.stringify({ format: FORMAT, identity })}\n`);
      return new Journal(path, [], []);
    }
    if (head === undefined || !('format' in head) || head.format !== FORMAT || head.identity !== identity) {
      throw refuser(DataError, `Tuning ${path}`)(
        'one of the same options, ranges, posts, encoders and engine, by this version',
        'another one',
        'choose another --out, or start anew with --overwrite',
      );
    }
    if (!text.endsWith('\n')) await writeFileAtomic(path, text.slice(0, text.lastIndexOf('\n') + 1));
    const waves = rest.flatMap((line) => ('wave' in line ? line.wave : []));
    return new Journal(
      path,
      waves,
      rest.flatMap((line) => ('result' in line ? [line.result] : [])),
    );
  }

  /** In the order in which they came. */
  get results(): readonly TrialResult[] {
    return this.found;
  }

  /** What was decided and has no result yet. */
  get pending(): readonly Step[] {
    return this.waves.filter(
      ({ trial, rung }) => !this.found.some((result) => result.trial === trial && result.rung === rung),
    );
  }

  /** Seconds of tuning so far. */
  get seconds(): number {
    return Math.max(0, ...this.found.map(({ at }) => at));
  }

  async decide(wave: readonly Step[]): Promise<void> {
    await this.append({ wave });
    this.waves.push(...wave);
  }

  async add(result: TrialResult): Promise<void> {
    await this.append({ result });
    this.found.push(result);
  }

  private async append(line: Line): Promise<void> {
    await appendFile(this.path, `${JSON.stringify(line)}\n`);
  }
}

function isStep(value: unknown): value is Step {
  const { trial, rung } = (value ?? {}) as Partial<Step>;
  return [trial, rung].every((number) => Number.isSafeInteger(number) && (number as number) >= 0);
}

function isResult(value: unknown): value is TrialResult {
  if (!isStep(value)) return false;
  const { epochs, posts, seconds, at, score, loss, accuracy, bestEpoch, failure } = value as Partial<TrialResult>;
  return (
    [epochs, posts, seconds, at].every((number) => Number.isFinite(number)) &&
    [score, loss, accuracy, bestEpoch].every((number) => number === null || Number.isFinite(number)) &&
    (failure === null || typeof failure === 'string')
  );
}

function parsed(line: string): Line[] {
  try {
    const value = (JSON.parse(line) ?? {}) as Readonly<Record<string, unknown>>;
    const { format, wave, result } = value;
    const isLine = typeof format === 'string' || isResult(result) || (Array.isArray(wave) && wave.every(isStep));
    return isLine ? [value as Line] : [];
  } catch {
    return [];
  }
}

import { createHash } from 'node:crypto';
import type { JudgeInfo } from '@drf/judge';
import type { ServedJudge } from './work.js';

/** Which model an answer comes from. */
export interface ModelIdentity {
  /** Name of the run, or the name that the service was given for it. */
  readonly name: string;
  /**
   * The first 12 hexadecimal digits of the SHA-256 of the file of its weights, as `sha256sum` prints it; of an ensemble,
   * of its members' hashes, one a line.
   */
  readonly version: string;
}

const VERSION_DIGITS = 12;

export function identityOf({ name, sources }: JudgeInfo, givenName?: string): ModelIdentity {
  const hashes = sources.map(({ sha256 }) => sha256).filter((sha256) => sha256 !== '');
  const joined = hashes.length > 1 ? sha256OfLines(hashes) : hashes.join();
  return { name: givenName ?? name, version: joined === '' ? 'unknown' : joined.slice(0, VERSION_DIGITS) };
}

function sha256OfLines(lines: readonly string[]): string {
  return createHash('sha256')
    .update(lines.map((line) => `${line}\n`).join(''))
    .digest('hex');
}

/** A judge while it is asked: it is closed when it has been replaced, and all that uses it is over. */
export class LoadedJudge {
  readonly since = Date.now();
  private users = 0;
  private whenUnused: (() => void) | undefined;

  constructor(
    readonly judge: ServedJudge,
    private readonly givenName: string | undefined,
  ) {}

  get info(): JudgeInfo {
    return this.judge.info;
  }

  get identity(): ModelIdentity {
    return identityOf(this.info, this.givenName);
  }

  /** Keeps it open until the work is over. */
  async use<Value>(work: () => Promise<Value>): Promise<Value> {
    this.users += 1;
    try {
      return await work();
    } finally {
      this.users -= 1;
      if (this.users === 0) this.whenUnused?.();
    }
  }

  /** Closes it once nobody uses it; nobody may begin to. */
  async retire(): Promise<void> {
    if (this.users > 0) await new Promise<void>((resolve) => (this.whenUnused = resolve));
    await this.judge.close();
  }
}

/** How a reload ended. */
export interface ReloadResult {
  /** The model that judges from now on. */
  readonly model: ModelIdentity;
  /** The one that judged before. */
  readonly before: ModelIdentity;
}

interface ReloadableJudgeOptions {
  /** What the model is called in answers; default as its run. */
  readonly modelName?: string;
}

/**
 * A judge that another can take the place of while posts come in: the next one is opened beside it, and asked from the
 * moment on at which it is ready; what was asked of the one before is answered by that one, which is then closed. A next
 * one that cannot be opened changes nothing.
 *
 * ```ts
 * const open = () => JudgeProcess.start({ open: ['exported', { warm: true }] });
 * const judge = new ReloadableJudge(await open(), open);
 * const app = await createService({ judge });
 * await judge.reload(); // after `exported` was replaced
 * ```
 */
export class ReloadableJudge {
  private loaded: LoadedJudge;
  private readonly listeners: (() => void)[] = [];
  private reloading: Promise<ReloadResult> | undefined;
  private again: Promise<ReloadResult> | undefined;
  private closed = false;
  private switched = 0;
  private refused = 0;
  private lastRefused = false;

  /** @param open opens the next one, warm */
  constructor(
    first: ServedJudge,
    private readonly open: () => Promise<ServedJudge>,
    private readonly options: ReloadableJudgeOptions = {},
  ) {
    this.loaded = new LoadedJudge(first, options.modelName);
  }

  /** What is asked now. */
  get current(): LoadedJudge {
    return this.loaded;
  }

  /** How reloads went: counts, and whether the last one was refused. */
  get reloads(): { readonly switched: number; readonly refused: number; readonly lastRefused: boolean } {
    const { switched, refused, lastRefused } = this;
    return { switched, refused, lastRefused };
  }

  /** @param listener told whenever another judge has taken over */
  onSwitch(listener: () => void): void {
    this.listeners.push(listener);
  }

  /**
   * Opens the next judge and lets it take over; settles when the one before is closed. While that happens, further calls
   * are one more reload, after it.
   * @throws as `open`; then nothing has changed
   */
  async reload(): Promise<ReloadResult> {
    if (this.reloading === undefined) {
      this.reloading = this.replace().finally(() => (this.reloading = undefined));
      return this.reloading;
    }
    const first = this.reloading;
    this.again ??= first
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.again = undefined;
        return this.reload();
      });
    return this.again;
  }

  private async replace(): Promise<ReloadResult> {
    const before = this.loaded;
    let next: ServedJudge;
    try {
      next = await this.open();
    } catch (error) {
      this.refused += 1;
      this.lastRefused = true;
      throw error;
    }
    const result = { model: identityOf(next.info, this.options.modelName), before: before.identity };
    if (this.closed) await next.close();
    else {
      this.loaded = new LoadedJudge(next, this.options.modelName);
      this.switched += 1;
      this.lastRefused = false;
      for (const listener of this.listeners) listener();
      await before.retire();
    }
    return result;
  }

  /** Closes the judge, and one that is being opened; what they are asked then is lost. */
  async close(): Promise<void> {
    this.closed = true;
    await this.reloading?.catch(() => undefined);
    await this.loaded.judge.close();
  }
}

import type { Storage } from '@drf/files';
import { DataError, isDrfError, refuser } from '@drf/tensor';
import { decodeTraining } from '../store/record-file.js';
import type { CellRecord } from '../store/records.js';
import type { ResultStore } from '../store/result-store.js';
import type { Counts, GridDisplay } from './grid-display.js';
import { RESULT_VERSION, type EncodedSets, type FeatureTask } from './tasks.js';
import { isTraining, outputsIn, removeDone, type EncodedMarker } from './units.js';

/** Far larger than any training's record. */
const MOST_OUTPUT_BYTES = 2 ** 30;

/** Outputs of units, on their way into the store. */
export class GridOutputs {
  private readonly taken = new Set<string>();

  constructor(
    readonly storage: Storage,
    private readonly store: ResultStore,
    private readonly display: GridDisplay,
  ) {}

  /** Whether it was there when this program began, or is in the store by now. */
  has(output: string): boolean {
    return this.taken.has(output);
  }

  /** What units of former plans left. @returns what the store did not have yet */
  async takeLeft(): Promise<Counts> {
    const known = this.store.known(RESULT_VERSION);
    const counts = { trainings: 0, cells: 0 };
    for (const output of await outputsIn(this.storage)) {
      if (!isTraining(output)) {
        this.taken.add(output); // whatever its plan, it is no more than a note
        continue;
      }
      try {
        const fresh = (await this.takeTraining(output)).filter(({ identity }) => !known.has(identity)).length;
        counts.trainings += Number(fresh > 0);
        counts.cells += fresh;
      } catch (error) {
        if (!isDrfError(error)) throw error;
        this.display.say(`removed, to be done again: ${error.message}`);
        await this.storage.remove(output);
      }
    }
    if (counts.trainings > 0) this.display.say(`Taken in: ${counts.trainings} trainings that were done since`);
    return counts;
  }

  /** @returns its cells, none of another version's, which is left to that @throws DrfError when it is damaged */
  async takeTraining(output: string): Promise<readonly CellRecord[]> {
    const training = decodeTraining(await this.read(output), `${this.storage.location}/${output}`);
    if (training.resultVersion !== RESULT_VERSION) return [];
    this.store.add(training);
    this.taken.add(output);
    return training.cells;
  }

  /** @throws DrfError when it is damaged */
  async takeMarker(output: string, tasks: readonly FeatureTask[], encoded: EncodedSets): Promise<void> {
    const { unreadable } = parseMarker(await this.read(output), `${this.storage.location}/${output}`);
    unreadable.flat().forEach((message) => this.display.warn(message));
    for (const [place, task] of tasks.entries()) if (unreadable[place]?.length === 0) await encoded.add(task);
    this.taken.add(output);
  }

  /** What is in the store is not needed a second time; nor are plans of which everything is. */
  async removeTaken(): Promise<void> {
    await removeDone(this.storage, this.taken);
  }

  private async read(output: string): Promise<Uint8Array> {
    const file = await this.storage.open(output);
    if (file.bytes <= MOST_OUTPUT_BYTES) return file.read(0, file.bytes);
    throw refuser(DataError, file.name)(`at most ${MOST_OUTPUT_BYTES} bytes`, String(file.bytes), 'remove it');
  }
}

function parseMarker(bytes: Uint8Array, subject: string): EncodedMarker {
  try {
    const marker = JSON.parse(Buffer.from(bytes).toString('utf8')) as Partial<EncodedMarker> | null;
    const sets = marker?.unreadable;
    if (Array.isArray(sets) && sets.every(Array.isArray)) return { unreadable: sets.map((set) => set.map(String)) };
  } catch {
    // told below
  }
  throw refuser(DataError, subject)('the posts that could not be read', 'another file', 'remove it');
}

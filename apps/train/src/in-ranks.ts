import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { openMpi, type Collective } from '@drf/collective';
import { ConfigurationError, refuser } from '@drf/tensor';
import { ExitRequest, reportError } from '@drf/terminal';

/** How long a rank that fails lets rank 0, which may fail alike, speak first. */
const PATIENCE_MILLISECONDS = 1000;

/** Joins the processes that were started together. @throws as `openMpi`; ConfigurationError for all folds at once */
export function joinRanks(isAllFolds: boolean): Promise<Collective> {
  if (!isAllFolds) return openMpi();
  const remedy = 'train the folds one by one: --dataset.fold 1, and so on';
  throw refuser(ConfigurationError, '--distributed')('one run', 'all folds of a cross-validation', remedy);
}

/**
 * Does this rank's part of the work. A rank that fails says so, with its number in front, and ends the processes of all
 * ranks, which would wait for it forever; mpirun then exits with its code.
 */
export async function inRank(own: Collective, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ExitRequest)) {
      if (own.rank > 0) await delay(PATIENCE_MILLISECONDS);
      process.stderr.write(own.rank === 0 ? '' : `rank ${own.rank} of ${own.size}, on ${hostname()}: `);
      own.abort(reportError(error));
      return;
    }
    await own.close();
    throw error;
  }
  await own.close();
}

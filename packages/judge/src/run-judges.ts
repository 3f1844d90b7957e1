import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError, DataError, refuser } from '@drf/tensor';
import { CARD_FILE } from './card.js';
import type { Judge } from './judgment.js';
import type { OpenOptions } from './open-options.js';

/** What judges by a run itself: `RunJudge` of `@drf/predict`, which this package does not depend on. */
interface RunJudges {
  open(folder: string, options: OpenOptions): Promise<Judge>;
}

/** It brings tfjs and encoders, some hundred megabytes that exports do without. */
const FOR_RUNS = '@drf/predict';

/**
 * Loads what judges by the run in a folder.
 * @throws ConfigurationError where the package is not installed; DataError where the folder holds no run either
 */
export async function loadRunJudges(folder: string): Promise<RunJudges> {
  try {
    return ((await import(FOR_RUNS)) as { readonly RunJudge: RunJudges }).RunJudge;
  } catch (error) {
    throw await explainMissing(folder, error);
  }
}

/** What to say where the package did not load; another error than that something is not installed stays as it is. */
export async function explainMissing(folder: string, error: unknown): Promise<unknown> {
  const { code, message = '' } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_MODULE_NOT_FOUND') return error;
  const is = (path: string): Promise<boolean> => stat(path).then(() => true, () => false); // prettier-ignore
  if (!(await is(join(folder, 'config.json')))) {
    const received = (await is(folder)) ? 'a folder without one' : 'nothing there';
    return refuser(DataError, `Opening ${folder}`)(`an export, whose ${CARD_FILE} says what it holds`, received, 'check the path'); // prettier-ignore
  }
  const missing = /package '([^']+)'/.exec(message)?.[1] ?? FOR_RUNS;
  return refuser(ConfigurationError, `Judging by the run ${folder}`)(
    `the package ${FOR_RUNS}, which judges by runs`,
    `an installation without ${missing}`,
    'export the run where it was trained (export RUN --out FOLDER) and judge by that, or install all of it: npm install drf-sentiment',
    error,
  );
}

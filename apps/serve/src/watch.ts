import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { assertUnlocked } from '@drf/files';

/** What decides how a folder judges. All of them are written whole or not at all, and best.json names the checkpoint. */
const FILES = ['card.json', 'model.onnx', 'ensemble.json', 'config.json', 'best.json', 'calibration.json'];
/** Of a run that is being trained. */
const RUN_LOCK = 'run.lock';

interface WatchOptions {
  /** What {@link stateOf} said when they were opened. */
  readonly opened: string;
  /** Between two looks. Default 2,000. */
  readonly milliseconds?: number;
}

/**
 * Looks again and again whether folders have changed: their files, or what a link leads to. Looking, in place of being
 * told, also sees networks' file systems and volumes that an orchestrator swaps.
 * @param onChange called once a change has stood still for two looks; a run that is being trained is waited for. Until its
 *   promise has settled, nothing is looked at
 * @returns what ends it
 */
export function watchFolders(
  folders: readonly string[],
  onChange: () => Promise<void>,
  { opened, milliseconds = 2_000 }: WatchOptions,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let taken = opened;
  let before: string | undefined;
  const look = async (): Promise<void> => {
    const now = await stateOf(folders);
    if (now !== taken && now === before && !(await isTraining(folders))) {
      taken = now;
      await onChange();
    }
    before = now;
  };
  const again = (): void => {
    if (!ended) timer = setTimeout(() => void look().finally(again), milliseconds);
  };
  void look().finally(again);
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

/** What folders look like: another text whenever something of them that judging reads has changed. */
export async function stateOf(folders: readonly string[]): Promise<string> {
  const states = folders.map(async (folder) => {
    const real = await realpath(folder).catch(() => 'none');
    const files = FILES.map(async (name) => {
      const stats = await stat(join(folder, name)).catch(() => null);
      return stats === null ? null : [stats.ino, stats.size, stats.mtimeMs];
    });
    return [real, ...(await Promise.all(files))];
  });
  return JSON.stringify(await Promise.all(states));
}

async function isTraining(folders: readonly string[]): Promise<boolean> {
  const locks = folders.map((folder) =>
    assertUnlocked(join(folder, RUN_LOCK), folder).then(
      () => false,
      () => true,
    ),
  );
  return (await Promise.all(locks)).includes(true);
}

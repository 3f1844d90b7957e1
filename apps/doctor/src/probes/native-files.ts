import { join } from 'node:path';
import { assertBuildIntact, nativeFolder, readInstalledBuild } from '@drf/engine';
import type { Finding } from '../finding.js';
import type { Machine } from '../machine.js';

const TOPIC = 'Engines';
const SUBJECT = 'Files of native TensorFlow';

/**
 * Checks the installed build against its record: sizes and the addon's hash always, every hash when asked (some
 * seconds for each gigabyte).
 */
export async function probeNativeFiles(machine: Machine, everyHash: boolean): Promise<Finding[]> {
  const advice = 'run "pnpm tensorflow:install" again';
  try {
    const build = readInstalledBuild(nativeFolder(machine.environment, machine.home));
    if (build === undefined) return [];
    assertBuildIntact(build, machine.platform);
    for (const file of everyHash ? build.files : []) {
      const received = await machine.sha256(join(build.folder, file.path));
      if (received === file.sha256) continue;
      const found = `${file.path} has SHA-256 ${received} instead of ${file.sha256}`;
      return [{ topic: TOPIC, subject: SUBJECT, mark: 'warning', found, advice }];
    }
    const origin =
      build.wheel === null ? build.binding : `${build.wheel.name}${build.wheel.known ? '' : ', an untried wheel'}`;
    const checked = everyHash ? 'every hash as recorded' : 'as recorded';
    return [{ topic: TOPIC, subject: SUBJECT, mark: 'good', found: `${checked} (${origin})` }];
  } catch (error) {
    return [{ topic: TOPIC, subject: SUBJECT, mark: 'warning', found: (error as Error).message, advice }];
  }
}

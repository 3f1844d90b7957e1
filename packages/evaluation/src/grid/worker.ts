// The child process that describes experiments for `pnpm eval grid`, and trains for `pnpm tune`: answers requests of its
// parent until that goes away.
import { loadDefinition } from '@drf/files';
import { DrfError } from '@drf/tensor';
import { sparingly } from '@drf/units';
import { Workspace } from '../workspace.js';
import { describeExperiment, type Surroundings } from './perform.js';
import { performTrial, prepareTrial } from '../tune/trial.js';
import type { FromWorker, ToWorker, WorkerRequest } from './workers.js';

let given: Pick<Surroundings, 'setting' | 'workspace'> | undefined;

function send(message: FromWorker): void {
  process.send?.(message);
}

function surroundings(id: number): Surroundings {
  if (given === undefined) throw new Error('a request came before the setting');
  return { ...given, report: sparingly((progress) => send({ id, progress })) };
}

function perform(request: WorkerRequest, around: Surroundings): Promise<unknown> {
  switch (request.kind) {
    case 'describe':
      return describeExperiment(request.config, around);
    case 'prepare':
      return prepareTrial(request.config, around);
    case 'trial':
      return performTrial(request.task, around);
  }
}

async function answer(id: number, request: WorkerRequest): Promise<void> {
  try {
    send({ id, value: await perform(request, surroundings(id)) });
  } catch (error) {
    const isBug = !(error instanceof DrfError);
    const message = error instanceof Error ? (isBug ? (error.stack ?? error.message) : error.message) : String(error);
    send({ id, failure: { message, isBug } });
  }
}

await Promise.all(process.argv.slice(2).map((module) => loadDefinition(module)));
process.on('message', (message: ToWorker) => {
  if ('setting' in message) {
    const { setting } = message;
    const { threads, memoryBytes: featureBytes } = setting;
    given = { setting, workspace: new Workspace({ threads, featureBytes }) };
  } else {
    void answer(message.id, message.request);
  }
});
// Ctrl-C reaches the whole group of processes: the parent decides what it means
process.on('SIGINT', () => undefined);
// a parent that is gone, however it went, has no use for results
process.on('disconnect', () => process.exit(0));

export {
  UNIT_EXIT,
  type Plan,
  type PublishedPlan,
  type Runner,
  type RunnerJob,
  type Unit,
  type UnitEvent,
  type UnitFailure,
  type UnitKind,
  type UnitProgress,
  type UnitResources,
  type UnitSurroundings,
  type UnitWorker,
} from './contract.js';
export { chooseRunner, unitResources, type RunnerFlags } from './options.js';
export { byStage, publishPlan, readPlan } from './plan.js';
export {
  availableResources,
  BYTES_A_WORKER,
  coreQuota,
  threadVariables,
  WORKER_OPTIONS,
  workersThatFit,
  type Resources,
} from './resources.js';
export { runUnits, type RunUnitsOptions } from './run-units.js';
export { localRunner, type LocalRunnerOptions } from './runners/local.js';
export { planRunner } from './runners/plan-only.js';
export { rayVersion, type RayClientOptions } from './runners/ray-client.js';
export { rayRunner, type RayRunnerOptions } from './runners/ray.js';
export { slurmRunner, type SlurmRunnerOptions } from './runners/slurm.js';
export { sparingly, unitProgram } from './unit-program.js';

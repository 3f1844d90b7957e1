import type { ExperimentInput, MethodName, OwnMethodName } from './schema.js';

export { addConfigFlags, takeOwnModules } from './flags.js';
export type { MethodName } from './schema.js';

/** What an experiment says differently for some of the methods. */
export type MethodOptions = {
  readonly [Name in MethodName | OwnMethodName]?: Partial<Pick<ExperimentInput, 'model' | 'compared' | 'training'>>;
};

/** An experiment as files hold it: beside its options, those of single methods, which are laid over the others. */
export type ExperimentFile = ExperimentInput & { readonly methods?: MethodOptions };

/** Marks a file's default export as an experiment, so that the compiler checks it. */
export function defineExperiment(experiment: ExperimentFile): ExperimentFile {
  return experiment;
}

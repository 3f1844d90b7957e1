import type { ExperimentFile } from '@drf/experiment';
import mvsaMultiple from './mvsa-m.js';
import mvsaSingle from './mvsa-s.js';
import mvsaSingleMiniLm from './mvsa-s-minilm.js';
import paper from './paper.js';
import quickstart from './quickstart.js';
import { smokeOf } from './smoke.js';
import tumEmo from './tumemo.js';

const full = [quickstart, mvsaSingle, mvsaSingleMiniLm, paper, mvsaMultiple, tumEmo];

/** The experiments that come with the app, by name; each has a `-smoke` variant that runs in seconds. */
export const EXPERIMENTS: ReadonlyMap<string, ExperimentFile> = new Map(
  [...full, ...full.map(smokeOf)].map((experiment) => [experiment.name, experiment]),
);

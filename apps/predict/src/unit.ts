// Judges shards of a plan: `node unit.js PLAN INDEX`; what `predict` starts on this machine and on others.
import { unitProgram } from '@drf/units';
import { scoreKind } from './score-kind.js';

await unitProgram([scoreKind]);

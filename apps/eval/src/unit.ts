// Does one unit of a grid, on any machine: `node dist/unit.js PLAN INDEX`.
import { trainKind } from '@drf/evaluation';
import { unitProgram } from '@drf/units';

await unitProgram([trainKind]);

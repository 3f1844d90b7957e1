// The program of units with a judge that is no model; for tests. It is killed once at the text that DRF_TEST_KILL names,
// and leaves a file of that name.
import { existsSync, writeFileSync } from 'node:fs';
import { unitProgram } from '@drf/units';
import { scoreKindOf } from '../score-kind.js';
import { JUDGE } from './inputs.js';

const killedAt = process.env['DRF_TEST_KILL'];

await unitProgram([
  scoreKindOf(
    {
      ...JUDGE,
      judge: (post) => {
        if (killedAt !== undefined && post.text === '=x=x=x' && !existsSync(killedAt)) {
          writeFileSync(killedAt, '');
          process.kill(process.pid, 'SIGKILL');
        }
        return JUDGE.judge(post);
      },
    },
    null,
  ),
]);

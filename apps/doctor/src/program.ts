import { createProgram, cursorStream, EXIT, ExitRequest, spell, type Command } from '@drf/terminal';
import type { Machine } from './machine.js';

interface Options {
  readonly json?: boolean;
  readonly verify?: boolean;
  readonly s3?: string;
}

function wantsColor({ environment }: Machine): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false;
  return process.stdout.isTTY || (environment['FORCE_COLOR'] ?? '') !== '';
}

/** Says what is being looked at: on a terminal in one line that goes in the end, elsewhere in a line each. */
function stageLine(silent: boolean): (stage: string) => void {
  const { stderr } = process;
  if (silent) return () => undefined;
  if (!stderr.isTTY) return (stage) => void (stage !== '' && stderr.write(`Looking at ${stage} …\n`));
  const stream = cursorStream(stderr);
  return (stage) => void stream.write(`\r\u001b[K${stage === '' ? '' : `Looking at ${stage} …`}`);
}

/** @param makeMachine tests put in their own */
export function createDoctorProgram(makeMachine?: () => Machine): Command {
  return createProgram('doctor', 'Looks at this machine: what works, what does not, and what to do about it.', [
    [spell('doctor'), 'the report; exit code 1 when something stops the default use'],
    [spell('doctor --json'), 'for machines'],
    [spell('doctor --verify'), 'also hashes every file of native TensorFlow'],
    [spell('doctor --s3 s3://bucket/probe'), 'also tries object storage'],
  ])
    .option('--json', 'print JSON')
    .option('--verify', 'hash every file of the installed native TensorFlow (some seconds for each gigabyte)')
    .option('--s3 <location>', 'try object storage at s3://bucket/prefix: one small object is written and removed')
    .action(async ({ json, verify, s3 }: Options) => {
      const [{ examine }, { thisMachine }, { readWanted }, { render }] = await Promise.all([
        import('./examine.js'),
        import('./machine.js'),
        import('./probes/platform.js'),
        import('./report.js'),
      ]);
      const machine = (makeMachine ?? thisMachine)();
      const onStage = stageLine(json === true);
      const report = await examine(machine, readWanted(), { verify, onStage, ...(s3 === undefined ? {} : { s3 }) });
      onStage('');
      if (json === true) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      else cursorStream(process.stdout).write(render(report, wantsColor(machine)));
      if (!report.ok) throw new ExitRequest(EXIT.failed);
    });
}

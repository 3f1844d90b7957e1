import { type EngineName } from '@drf/tensor';
import * as tf from '@tensorflow/tfjs';
import { createProgram, cursorStream, EXIT, ExitRequest, type Command, spell } from '@drf/terminal';
import { thisMachine, type Machine } from './machine.js';
import { makeReport, render, type Finding, type Report } from './report.js';
import { probePlatform, readWanted, type Wanted } from './probes/platform.js';
import { probeEngines } from './probes/engines.js';
import { probeGpu, probeNativeFiles } from './probes/native.js';
import { probeHubAndCaches } from './probes/hub.js';
import { probeLibraries, probeOptional } from './probes/software.js';
import { probeRoom } from './probes/room.js';

interface ExamineOptions {
  /** Hashes every file of the native build. */
  readonly verify?: boolean;
  readonly onStage?: (stage: string) => void;
}

/**
 * Looks at everything. What only waits runs at once; engines are measured one after the other when the rest is done, so
 * that nothing slows them down.
 */
export async function examine(machine: Machine, wanted: Wanted, options: ExamineOptions = {}): Promise<Report> {
  const { verify = false, onStage = () => undefined } = options;
  const started = performance.now();
  onStage('machine, disk, network');
  const [platform, room, libraries, gpu, hub, optional] = await Promise.all([
    probePlatform(machine, wanted),
    probeRoom(machine),
    probeLibraries(machine),
    probeGpu(machine),
    probeHubAndCaches(machine),
    wanted.pnpm === null ? [] : probeOptional(machine),
  ]);
  const engines = await probeEngines(machine, (name: EngineName) => onStage(`engine ${name}`));
  if (verify) onStage('hashes of native TensorFlow');
  const files = await probeNativeFiles(machine, verify);
  const findings: Finding[] = [platform, room, libraries, engines, files, gpu, hub, optional].flat();
  return makeReport(findings, (performance.now() - started) / 1000);
}

interface Options {
  readonly json?: boolean;
  readonly verify?: boolean;
}

function wantsColor({ environment }: Machine): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false;
  return process.stdout.isTTY || (environment['FORCE_COLOR'] ?? '') !== '';
}

/** One line that says what is being looked at, on a terminal only. */
function stageLine(silent: boolean): (stage: string) => void {
  const { stderr } = process;
  if (silent || !stderr.isTTY) return () => undefined;
  const stream = cursorStream(stderr);
  return (stage) => void stream.write(`\r\u001b[K${stage === '' ? '' : `Looking at ${stage} …`}`);
}

/** @param makeMachine tests put in their own */
export function createDoctorProgram(makeMachine: () => Machine = thisMachine): Command {
  return createProgram('doctor', 'Looks at this machine: what works, what does not, and what to do about it.', [
    [spell('doctor'), 'the report; exit code 1 when something stops the default use'],
    [spell('doctor --json'), 'for machines'],
    [spell('doctor --verify'), 'also hashes every file of native TensorFlow'],
  ])
    .option('--json', 'print JSON')
    .option('--verify', 'hash every file of the installed native TensorFlow (some seconds for each gigabyte)')
    .action(async ({ json, verify }: Options) => {
      tf.env().set('IS_TEST', true); // TensorFlow.js greets Node users with advice; the report has its own
      const machine = makeMachine();
      const onStage = stageLine(json === true);
      const report = await examine(machine, readWanted(), { verify, onStage });
      onStage('');
      if (json === true) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
      else cursorStream(process.stdout).write(render(report, wantsColor(machine)));
      if (!report.ok) throw new ExitRequest(EXIT.failed);
    });
}

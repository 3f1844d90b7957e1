import { nativeFolder, readInstalledBuild, type InstalledBuild } from '@drf/engine';
import { DrfError, type EngineName } from '@drf/tensor';
import { spell } from '@drf/terminal';
import type { Finding } from '../report.js';
import type { Machine, MeasuredEngine } from '../machine.js';

const TOPIC = 'Engines';

type Outcome = MeasuredEngine | { readonly failure: string };

async function measure(machine: Machine, name: EngineName): Promise<Outcome> {
  try {
    return await machine.measureEngine(name);
  } catch (error) {
    return { failure: error instanceof DrfError ? error.report.received : String(error) };
  }
}

const speed = ({ gflops }: MeasuredEngine): string => `${gflops >= 10 ? gflops.toFixed(0) : gflops.toFixed(1)} GFLOP/s`;

/** The installed build, or why its record cannot be read. */
function installedBuild({ environment, home }: Machine): InstalledBuild | { readonly failure: string } | undefined {
  try {
    return readInstalledBuild(nativeFolder(environment, home));
  } catch (error) {
    return { failure: (error as Error).message };
  }
}

function nativeFinding(machine: Machine, outcome: Outcome): Finding {
  const subject = 'eager:tensorflow';
  const build = installedBuild(machine);
  if (!('failure' in outcome)) {
    const device = outcome.gpu === true ? 'GPU' : 'CPU';
    const found = `TensorFlow ${outcome.version ?? '?'}, ${device}, ${speed(outcome)}`;
    const wanted = build !== undefined && !('failure' in build) ? build.device : undefined;
    if (wanted !== 'gpu' || outcome.gpu === true) return { topic: TOPIC, subject, mark: 'good', found };
    const advice = 'it was built for a GPU but computes on the CPU: see the lines on the GPU below';
    return { topic: TOPIC, subject, mark: 'warning', found, advice };
  }
  if (build === undefined) {
    const advice = `for a GPU, run ${spell('tensorflow:install')}; nothing else needs it`;
    return { topic: TOPIC, subject, mark: 'absent', found: 'not installed', advice };
  }
  const found = `does not work: ${outcome.failure}`;
  return {
    topic: TOPIC,
    subject,
    mark: 'warning',
    found,
    advice: `run ${spell('tensorflow:install')} again, or with --remove`,
  };
}

/** @param failed how bad it is when it does not work, and what to do */
function engineFinding(
  subject: EngineName,
  outcome: Outcome,
  failed: { readonly mark: 'warning' | 'problem'; readonly advice: string },
): Finding {
  if (!('failure' in outcome)) return { topic: TOPIC, subject, mark: 'good', found: speed(outcome) };
  return { topic: TOPIC, subject, ...failed, found: `does not work: ${outcome.failure}` };
}

function automaticFinding(native: Outcome, compiled: Outcome, wasm: Outcome): Finding[] {
  const name =
    !('failure' in native) && native.gpu === true
      ? 'eager:tensorflow'
      : !('failure' in compiled)
        ? 'compiled'
        : !('failure' in wasm)
          ? 'eager:wasm'
          : undefined;
  return name === undefined ? [] : [{ topic: TOPIC, subject: 'auto', mark: 'good', found: `takes ${name}` }];
}

/** Starts each engine and multiplies matrices, one engine after the other so that none slows another down. */
export async function probeEngines(
  machine: Machine,
  onEngine: (name: EngineName) => void = () => undefined,
): Promise<Finding[]> {
  const outcomes: Outcome[] = [];
  for (const name of ['compiled', 'eager:wasm', 'eager:cpu', 'eager:tensorflow'] as const) {
    onEngine(name);
    outcomes.push(await measure(machine, name));
  }
  const [compiled, wasm, cpu, native] = outcomes as [Outcome, Outcome, Outcome, Outcome];
  const again = `run "${spell('install')}" again`;
  const isWasmNeeded = 'failure' in compiled; // `auto` falls back on it: without both nothing trains by default
  return [
    engineFinding('compiled', compiled, {
      mark: 'warning',
      advice: 'training falls back on the much slower eager:wasm; see the line on onnxruntime-node',
    }),
    engineFinding('eager:wasm', wasm, {
      mark: isWasmNeeded ? 'problem' : 'warning',
      advice: isWasmNeeded ? `${again}: no engine works by default` : again,
    }),
    engineFinding('eager:cpu', cpu, { mark: 'problem', advice: `${again}: TensorFlow.js itself is broken` }),
    nativeFinding(machine, native),
    ...automaticFinding(native, compiled, wasm),
  ];
}

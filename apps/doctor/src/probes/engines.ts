import { nativeFolder, readInstalledBuild, type EngineName, type InstalledBuild } from '@drf/engine';
import { DrfError } from '@drf/tensor';
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
    const advice = 'for a GPU, run "pnpm tensorflow:install"; nothing else needs it';
    return { topic: TOPIC, subject, mark: 'absent', found: 'not installed', advice };
  }
  const found = `does not work: ${outcome.failure}`;
  return {
    topic: TOPIC,
    subject,
    mark: 'warning',
    found,
    advice: 'run "pnpm tensorflow:install" again, or with --remove',
  };
}

function compiledFinding(outcome: Outcome): Finding {
  const subject = 'compiled';
  if (!('failure' in outcome)) return { topic: TOPIC, subject, mark: 'good', found: speed(outcome) };
  const advice = 'training falls back on the much slower eager:wasm; see the line on onnxruntime-node';
  return { topic: TOPIC, subject, mark: 'warning', found: `does not work: ${outcome.failure}`, advice };
}

/** wasm is what `auto` falls back on: without it and without `compiled` nothing trains by default. */
function wasmFinding(outcome: Outcome, isNeeded: boolean): Finding {
  const subject = 'eager:wasm';
  if (!('failure' in outcome)) return { topic: TOPIC, subject, mark: 'good', found: speed(outcome) };
  const advice = isNeeded ? 'run "pnpm install" again: no engine works by default' : 'run "pnpm install" again';
  return {
    topic: TOPIC,
    subject,
    mark: isNeeded ? 'problem' : 'warning',
    found: `does not work: ${outcome.failure}`,
    advice,
  };
}

function cpuFinding(outcome: Outcome): Finding {
  const subject = 'eager:cpu';
  if (!('failure' in outcome)) return { topic: TOPIC, subject, mark: 'good', found: speed(outcome) };
  const found = `does not work: ${outcome.failure}`;
  return {
    topic: TOPIC,
    subject,
    mark: 'problem',
    found,
    advice: 'run "pnpm install" again: TensorFlow.js itself is broken',
  };
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
  return [
    compiledFinding(compiled),
    wasmFinding(wasm, 'failure' in compiled),
    cpuFinding(cpu),
    nativeFinding(machine, native),
    ...automaticFinding(native, compiled, wasm),
  ];
}

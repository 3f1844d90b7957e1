import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createEngine } from '@drf/engine';
import { createProgram, ExitRequest, formatTable, runApp } from '@drf/terminal';
import { compareAll, type Comparison } from './compare.js';
import { computeQuantities } from './compute.js';
import { readGoldenFile } from './golden-file.js';

/** The file that comes with the repository; packages/model/fixtures/make-golden-step.py made it. */
const OWN_FILE = fileURLToPath(new URL('../../../packages/model/fixtures/golden-step.json', import.meta.url));

const program = createProgram(
  'golden',
  'Checks this code against training steps that were computed elsewhere in double precision.',
  [
    ['pnpm --silent golden', 'the file that comes with the repository'],
    [
      'pnpm --silent golden step.json',
      'a row per quantity with its largest relative error; exit code 1 if one is too large',
    ],
    ['pnpm --silent golden *.json --engine compiled --json', 'several files on the compiled engine, for machines'],
  ],
)
  .argument('[files...]', 'golden files (JSON with inputs, params, modes and every intermediate)', [
    relative(process.cwd(), OWN_FILE),
  ])
  .option('--engine <name>', 'auto, compiled, eager:cpu, eager:wasm or eager:tensorflow', 'eager:cpu')
  .option('--json', 'print JSON instead of tables')
  .action(async (files: string[], options: { engine: string; json?: boolean }) => {
    const engine = await createEngine(options.engine);
    const reports: { file: string; engine: string; passed: boolean; quantities: Comparison[] }[] = [];
    for (const file of files) {
      const golden = await readGoldenFile(file);
      const quantities = compareAll(golden, await computeQuantities(golden, engine));
      reports.push({ file, engine: engine.name, passed: quantities.every((q) => q.passed), quantities });
      if (options.json !== true) printReport(file, engine.name, quantities);
    }
    await engine.dispose();
    if (options.json === true) {
      const finite = (_key: string, value: unknown): unknown => (value === Infinity ? 'infinite' : value);
      process.stdout.write(`${JSON.stringify(reports, finite, 2)}\n`);
    }
    if (reports.some((report) => !report.passed)) throw new ExitRequest(1);
  });

function printReport(file: string, engine: string, quantities: readonly Comparison[]): void {
  const rows = quantities.map((q) => [
    q.quantity,
    String(q.count),
    q.error === Infinity ? 'not computed' : q.error.toExponential(1),
    q.tolerance.toExponential(0),
    q.passed ? 'ok' : 'TOO LARGE',
  ]);
  const failed = quantities.filter((q) => !q.passed).length;
  process.stdout.write(`${file} on ${engine}\n`);
  process.stdout.write(`${formatTable(['quantity', 'numbers', 'largest relative error', 'tolerance', ''], rows)}\n`);
  process.stdout.write(`${quantities.length - failed} of ${quantities.length} quantities within tolerance\n`);
}

await runApp(program);

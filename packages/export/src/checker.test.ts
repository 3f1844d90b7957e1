import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportRun } from './export-run.js';
import { makeEmbeddedRun, makeTinyRun, type TinyRunOptions } from './testing/tiny-run.js';
import { execute, findPythonWithOnnx, temporaryFolder } from './testing/tools.js';

const CHECK = `
import sys, onnx
for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    domains = {node.domain for node in model.graph.node} | {each.domain for each in model.opset_import}
    print(sorted(domains), max(each.version for each in model.opset_import), model.graph.input[0].type.tensor_type.shape.dim[0].dim_param)
`;

const python = await findPythonWithOnnx();
const reason = python === undefined ? ' [skipped: no python3 with the package onnx; Debian has python3-onnx]' : '';

async function check(...paths: string[]): Promise<string[]> {
  const { stdout } = await execute(python as string, ['-c', CHECK, ...paths]);
  return stdout.trim().split('\n');
}

describe.skipIf(python === undefined)(`ONNX's own checker${reason}`, () => {
  it.each<[string, TinyRunOptions, object]>([
    ['DRF', {}, {}],
    ['DRF with one pair a post', { model: { ablations: { pairExpansion: false } } }, {}],
    ['DRF by the literal weights', { model: { weighting: 'density' } }, {}],
    ['concatenation', { method: 'concatenation' }, {}],
  ])('accepts the head of %s', async (_, options) => {
    const folder = await temporaryFolder();
    const run = await makeTinyRun(join(folder, 'run'), options);
    const out = join(folder, 'out');
    await exportRun(run.path, { out });
    expect(await check(join(out, 'head.onnx'))).toEqual(["[''] 17 batch"]);
  });

  it.each(['float32', 'float16', 'int8'] as const)(
    'accepts the whole model in %s',
    { timeout: 180_000 },
    async (precision) => {
      const folder = await temporaryFolder();
      const run = await makeEmbeddedRun(join(folder, 'run'));
      const out = join(folder, 'out');
      await exportRun(run.path, { out, precision, measure: 0 });
      expect(await check(join(out, 'model.onnx'))).toEqual(["[''] 17 batch"]);
    },
  );

  it('refuses what is no model, so it does look', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'broken.onnx');
    await writeFile(path, Uint8Array.of(8, 8));
    await expect(check(path)).rejects.toThrow(/ValidationError|checker/);
  });
});

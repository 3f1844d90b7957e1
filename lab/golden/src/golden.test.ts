import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createEngine } from '@drf/engine';
import { DataError, ShapeMismatchError, type Engine } from '@drf/tensor';
import { compareAll, relativeError } from './compare.js';
import { computeQuantities } from './compute.js';
import { readGoldenFile, type GoldenFile } from './golden-file.js';
import { makeGolden, type GoldenContent } from './make-golden.contract.js';

let folder: string;
let engine: Engine;
const sizes = { seed: 1, batch: 5, dim: 4, hidden: 3, queue: 7, classes: 3 };
const content = makeGolden(sizes);

beforeAll(async () => {
  await tf.setBackend('cpu');
  engine = await createEngine('eager:cpu');
  folder = await mkdtemp(join(tmpdir(), 'drf-golden-'));
});
afterAll(async () => {
  await engine.dispose();
  await rm(folder, { recursive: true, force: true });
});

async function fileOf(name: string, golden: GoldenContent | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof golden === 'string' ? golden : JSON.stringify(golden));
  return path;
}

/** A copy with one place changed. */
function changed(change: (golden: Any) => void): GoldenContent {
  const copy = structuredClone(content) as Any;
  change(copy);
  return copy;
}
type Any = { [name: string]: Any } & GoldenContent;

/** The command as the shell would run it: exit code and what it prints. */
async function command(...argv: string[]): Promise<{ code: number; output: string; errors: string }> {
  let [output, errors] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((output += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((errors += String(text)), true));
  const before = { argv: process.argv, exitCode: process.exitCode };
  process.argv = ['node', 'golden', ...argv];
  process.exitCode = undefined;
  vi.resetModules();
  try {
    await import('./main.js');
    return { code: Number(process.exitCode), output, errors };
  } finally {
    process.argv = before.argv;
    process.exitCode = before.exitCode;
    vi.restoreAllMocks();
  }
}

describe('golden', () => {
  it('passes a file of the reference, printing a row per quantity', async () => {
    const { code, output } = await command(await fileOf('good.json', content));
    expect(output).toContain('good.json on eager:cpu');
    expect(output).toMatch(/modes\.normalized\.gradients\.fusion\.layer1\.kernel +│ +24 │ \d\.\de-\d+ +│ 1e-4 +│ ok/);
    expect(output).toMatch(/losses\.recovery +│ +1 │ .* 1e-5 +│ ok/);
    expect(output).toContain('147 of 147 quantities within tolerance');
    expect(code).toBe(0);
  });

  it('fails a file that is off by 1e-3 in one quantity, naming it, with exit code 1', async () => {
    const path = await fileOf(
      'off.json',
      changed((golden) => {
        golden.losses!.sampleImageToText = ((golden.losses!.sampleImageToText as unknown as number) * 1.001) as never;
      }),
    );
    const { code, output } = await command(path);
    expect(code).toBe(1);
    const wrong = output.split('\n').filter((line) => line.includes('TOO LARGE'));
    expect(wrong).toHaveLength(1);
    expect(wrong[0]).toMatch(/losses\.sampleImageToText +│ +1 │ 1\.0e-3/);
    expect(output).toContain('146 of 147 quantities within tolerance');
  });

  it('prints JSON for several files, and fails if one of them does', async () => {
    const off = changed((golden) => ((golden.imageStats as Any).std = 99 as never));
    const { code, output } = await command(await fileOf('a.json', content), await fileOf('b.json', off), '--json');
    expect(code).toBe(1);
    const reports = JSON.parse(output) as { passed: boolean; quantities: { quantity: string; passed: boolean }[] }[];
    expect(reports.map(({ passed }) => passed)).toEqual([true, false]);
    expect(reports[1]?.quantities.filter(({ passed }) => !passed).map(({ quantity }) => quantity)).toEqual([
      'imageStats.std',
    ]);
  });

  it('says what is wrong with a file without a stack, with exit code 1', async () => {
    const { code, errors, output } = await command(await fileOf('cut.json', '{"inputs": {'));
    expect(code).toBe(1);
    expect(output).toBe('');
    expect(errors).toMatch(
      /^error: Reading .*cut\.json expected valid JSON, received .*; repair or remake the file\n$/,
    );
  });

  it('takes the file that comes with the repository where none is named', async () => {
    const { code, output } = await command();
    expect(output).toContain('packages/model/fixtures/golden-step.json on eager:cpu');
    expect(output).toContain('147 of 147 quantities within tolerance');
    expect(code).toBe(0);
  });

  it('refuses an unknown option, with exit code 2', async () => {
    expect(await command('--fast')).toMatchObject({ code: 2, errors: expect.stringContaining("unknown option '--fast'") as string }); // prettier-ignore
  });
});

describe('computeQuantities and compareAll', () => {
  const check = async (golden: GoldenContent): Promise<{ failed: string[]; golden: GoldenFile }> => {
    const file = await readGoldenFile(await fileOf('any.json', golden));
    const failed = compareAll(file, await computeQuantities(file, engine)).filter(({ passed }) => !passed);
    return { failed: failed.map(({ quantity }) => quantity), golden: file };
  };

  it.each([
    { seed: 2, batch: 1, dim: 2, hidden: 3, queue: 5, classes: 2 },
    { seed: 3, batch: 7, dim: 2, hidden: 6, queue: 4, classes: 5 },
    { seed: 4, batch: 4, dim: 6, hidden: 4, queue: 12, classes: 4 },
  ])('take any sizes: $batch posts, width $dim, hidden $hidden, queue $queue, $classes classes', async (others) => {
    expect((await check(makeGolden(others))).failed).toEqual([]);
  });

  it('notice 1e-3 in any number that exists, of every quantity, and blame that quantity alone', async () => {
    const golden = await readGoldenFile(await fileOf('whole.json', content));
    const computed = await computeQuantities(golden, engine);
    for (const [quantity, values] of golden.expected) {
      const scale = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      values.forEach((value, i) => {
        const off = [...values];
        off[i] = value + 1e-3 * Math.max(Math.abs(value), scale);
        const failed = compareAll({ ...golden, expected: new Map([...golden.expected, [quantity, off]]) }, computed)
          .filter(({ passed }) => !passed)
          .map((comparison) => comparison.quantity);
        expect(failed, `${quantity}[${i}]`).toEqual(ofMissingModality(quantity, i) ? [] : [quantity]);
      });
    }
  });

  /** Posts 1 and 2 of five lack image and text: what would be made of those does not exist. */
  function ofMissingModality(quantity: string, index: number): boolean {
    const [dim, pairs] = [sizes.dim, 3];
    const fromImage = ['density.image', 'density.recoveredText', 'recovered.text'];
    const fromText = ['density.text', 'density.recoveredImage', 'recovered.image'];
    const width = quantity.startsWith('recovered.') ? dim : 1;
    if (fromImage.includes(quantity)) return Math.floor(index / width) === 1;
    if (fromText.includes(quantity)) return Math.floor(index / width) === 2;
    if (quantity !== 'fusedPairs') return false;
    const [post, pair] = [Math.floor(index / dim / pairs), Math.floor(index / dim) % pairs];
    return (post === 1 && pair !== 2) || (post === 2 && pair !== 1);
  }

  it('fail a quantity that they do not know, that has another size, or that is no number', async () => {
    const { failed } = await check(
      changed((golden) => {
        golden.surprise = [1, 2] as never;
        golden.imageStats!.mean = [1, 2] as never;
        golden.textStats!.std = null as never;
      }),
    );
    expect(failed).toEqual(['imageStats.mean', 'textStats.std', 'surprise']);
  });

  it('do not look at the rows of a missing modality', async () => {
    const filled = changed((golden) => {
      (golden.inputs!.image as unknown as number[][])[1] = [1e30, -1e30, 7, 7];
    });
    expect((await check(filled)).failed).toEqual([]);
  });
});

describe('relativeError', () => {
  it('is over the number or the root mean square, whichever is larger', () => {
    expect(relativeError([1.1, 2], [1, 2])).toBeCloseTo(0.1 / Math.sqrt(2.5), 10);
    expect(relativeError([3, 4.4], [3, 4])).toBeCloseTo(0.1, 10);
    expect(relativeError([0, 0], [0, 0])).toBe(0);
    expect(relativeError([1], [0])).toBe(Infinity);
  });

  it('is infinite with NaN on either side', () => {
    expect(relativeError([NaN], [1])).toBe(Infinity);
    expect(relativeError([1], [NaN])).toBe(Infinity);
    expect(relativeError([NaN, 0], [1, 1], (i) => i === 1)).toBe(1);
  });
});

describe('readGoldenFile', () => {
  const remove = (...path: string[]) =>
    changed((golden) => {
      const last = path.pop() as string;
      delete path.reduce((node, name) => node[name] as Any, golden)[last];
    });
  const put = (value: unknown, ...path: string[]) =>
    changed((golden) => {
      const last = path.pop() as string;
      path.reduce((node, name) => node[name] as Any, golden)[last] = value as never;
    });

  it.each([
    ['no inputs', remove('inputs'), /"inputs" expected an object, received nothing; give a golden file with inputs/],
    ['no params', remove('params'), /"params" expected an object, received nothing/],
    ['no modes', remove('modes'), /"modes" expected an object, received nothing/],
    ['empty modes', put({}, 'modes'), /"modes" expected an object, received nothing/],
    [
      'an unknown mode',
      put({}, 'modes', 'squared'),
      /"modes" expected some of density, relative, normalized, received "squared"/,
    ],
    ['no text', remove('inputs', 'text'), /inputs\.text expected a rectangular array of numbers, received nothing/],
    [
      'no labels',
      remove('inputs', 'labels'),
      /inputs\.labels expected a rectangular array of numbers, received nothing/,
    ],
    [
      'no parameter',
      remove('params', 'fusion.layer2.bias'),
      /params\.fusion\.layer2\.bias expected .* received nothing/,
    ],
    ['no AdamW', remove('modes', 'density', 'adamw'), /"adamw" expected an object, received nothing/],
    [
      'half of AdamW',
      remove('modes', 'density', 'adamw', 'beta2'),
      /adamw\.beta2 expected a number, received undefined/,
    ],
    ['a list', '[1, 2]', /expected an object, received \[1,2\]/],
    [
      'ragged rows',
      put([[1, 2], [3]], 'inputs', 'image'),
      /inputs\.image expected .* received 1 entries where 2 were due/,
    ],
    [
      'ragged rows that add up',
      put([[1, 2], [3], [4, 5, 6]], 'inputs', 'image'),
      /received 1 entries where 2 were due/,
    ],
    [
      'rows of rows',
      put(
        [
          [1, 2],
          [[3], 4],
        ],
        'inputs',
        'image',
      ),
      /inputs\.image expected .* received \[3\]/,
    ],
    ['a number among rows', put([[1, 2], 3], 'inputs', 'image'), /received 3 where 2 entries were due/],
    ['a text among numbers', put([1, 'x'], 'params', 'classifier.bias'), /classifier\.bias expected .* received "x"/],
    ['null among numbers', put([1, null], 'params', 'classifier.bias'), /classifier\.bias expected .* received null/],
    ['nothing in a list', put([], 'inputs', 'labels'), /inputs\.labels expected .* received an empty one/],
  ] as const)('names the file and what is wrong: %s', async (_, golden, message) => {
    const path = await fileOf('wrong.json', golden);
    const error = await readGoldenFile(path).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toContain('wrong.json');
    expect((error as Error).message).toMatch(message);
  });

  it.each([
    ['labels', [0, 1], 'inputs.image expected [2, 4], received [5, 4]; posts and widths must agree'],
    ['imageQueue', [[1, 2, 3]], 'inputs.imageQueue expected [*, 4], received [1, 3]'],
    ['textAvailable', [1, 1], 'inputs.textAvailable expected [5], received [2]'],
  ] as const)('names inputs that do not fit together: %s', async (name, value, message) => {
    const path = await fileOf('shapes.json', put(value, 'inputs', name));
    await expect(readGoldenFile(path)).rejects.toThrow(ShapeMismatchError);
    await expect(readGoldenFile(path)).rejects.toThrow(message);
  });

  it('names a file that is not there', async () => {
    await expect(readGoldenFile(join(folder, 'absent.json'))).rejects.toThrow(/absent\.json expected a readable file/);
  });
});

const SHARED = new URL('../../../../shared/golden/drf-step.json', import.meta.url);
describe.skipIf(!existsSync(SHARED))('the shared golden step (skipped where ../shared/golden is absent)', () => {
  it('passes', async () => {
    const { code, output } = await command(fileURLToPath(SHARED));
    expect(output).toContain('147 of 147 quantities within tolerance');
    expect(code).toBe(0);
  });
});

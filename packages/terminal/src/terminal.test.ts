import { readFile } from 'node:fs/promises';
import { describe, expect, it, vi } from 'vitest';
import { DataError } from '@drf/tensor';
import {
  createProgram,
  finiteNumber,
  formatCsv,
  formatDuration,
  formatTable,
  leftOut,
  namedValues,
  nearestName,
  oneOf,
  runApp,
  startJob,
  startProgress,
  valuesByName,
  suggestion,
  wholeNumber,
} from './index.js';

async function run(
  argv: string[],
  action: () => void | Promise<void> = () => undefined,
): Promise<{ code: number; errors: string; output: string }> {
  let errors = '';
  let output = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((errors += String(text)), true));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((output += String(text)), true));
  const before = process.exitCode;
  process.exitCode = undefined;
  const program = createProgram('demo', 'A demo.', [['demo --epochs 3', 'three epochs']]);
  program
    .option('--epochs <count>', 'epochs', wholeNumber(1))
    .option('--mode <mode>', 'mode', oneOf(['fast', 'slow']))
    .option('--training.batch-size <count>', 'posts a step')
    .action(action);
  await runApp(program, argv);
  const code = Number(process.exitCode);
  process.exitCode = before;
  vi.restoreAllMocks();
  return { code, errors, output };
}

describe('runApp', () => {
  it('names the nearest option and exits with 2', async () => {
    const { code, errors } = await run(['--epoch', '3']);
    expect(code).toBe(2);
    expect(errors).toContain("unknown option '--epoch'");
    expect(errors).toContain('Did you mean --epochs?');
  });

  it('names the nearest option by the last part of its name', async () => {
    const { code, errors } = await run(['--bach-size', '3']);
    expect(code).toBe(2);
    expect(errors).toContain('(Did you mean --training.batch-size?)');
    expect((await run(['--nothing-like-it', '3'])).errors).not.toContain('Did you mean');
  });

  it('says what was expected of a value', async () => {
    expect((await run(['--epochs', '0.5'])).errors).toContain('expected a whole number from 1');
    expect((await run(['--mode', 'fats'])).errors).toContain('did you mean "fast"?');
  });

  it('prints help with examples and exits with 0', async () => {
    const { code, output } = await run(['--help']);
    expect(code).toBe(0);
    expect(output).toContain('$ demo --epochs 3');
  });

  it('prints our errors without a stack and bugs with one', async () => {
    const ours = await run([], () => {
      throw new DataError({ subject: 'Row 3', expected: 'a label', received: 'nothing', remedy: 'add one' });
    });
    expect(ours).toMatchObject({ code: 1, errors: 'error: Row 3 expected a label, received nothing; add one\n' });
    const system = await run([], async () => {
      await readFile('/no/such/file');
    });
    expect(system).toMatchObject({ code: 1, errors: expect.stringMatching(/^error: \/no\/such\/file expected to be usable \(open\), received ENOENT: .*; check that it is there, .*\n$/) }); // prettier-ignore
    const bug = await run([], () => {
      throw new TypeError('boom');
    });
    expect(bug.errors).toMatch(/unexpected error[\s\S]*TypeError: boom[\s\S]*at /);
  });
});

describe('options', () => {
  it('suggest the nearest name or list them all', () => {
    expect(nearestName('epoch', ['epochs', 'seed'])).toBe('epochs');
    expect(nearestName('CUDA', ['compiled', 'compiled:cuda'])).toBe('compiled:cuda');
    expect(nearestName('zzzzzz', ['epochs', 'seed'])).toBeUndefined();
    expect(suggestion('zzzzzz', ['epochs', 'seed'])).toBe('choose one of epochs, seed');
    expect(() => finiteNumber(0, 1)('NaN')).toThrow('expected a number from 0 to 1');
  });
});

describe('values by name', () => {
  it('are pairs, whose values may be empty or hold spaces and equal signs', () => {
    expect(namedValues('text = body text,id=,label=a=b')).toEqual({ text: 'body text', id: '', label: 'a=b' });
    for (const text of ['', 'text', '=a', 'a=1,a=2', 'a=1,', ',']) expect(namedValues(text), text).toBeUndefined();
    expect(namedValues('toString=1')).toEqual({ toString: '1' });
  });

  it('of other names are refused with the nearest', () => {
    const parse = valuesByName(['text', 'label'], 'text=body');
    expect(parse('label=mood')).toEqual({ label: 'mood' });
    expect(() => parse('lable=mood')).toThrow(
      'expected such as text=body (of text, label), received "lable=mood" ("lable": did you mean "label"?)',
    );
    expect(() => parse('mood')).toThrow('expected such as text=body (of text, label), received "mood"');
  });
});

describe('formats', () => {
  it('durations, tables, CSV', () => {
    expect([formatDuration(8.2), formatDuration(200), formatDuration(3725), formatDuration(Infinity)]).toEqual([
      '8 s',
      '3 min 20 s',
      '1 h 02 min',
      '?',
    ]);
    expect(
      formatTable(
        ['name', 'acc'],
        [
          ['drf', '70.1'],
          ['x', '9.0'],
        ],
      ),
    ).toContain('│  9.0 │');
    expect(formatCsv(['a', 'b'], [['x,"y"', 1]])).toBe('a,b\r\n"x,""y""",1\r\n');
    expect(formatCsv(['a'], [['x\ny'], ['']])).toBe('a\r\n"x\ny"\r\n\r\n');
  });

  it('CSV that no spreadsheet runs, with numbers as they are', () => {
    const texts = ['=1+1|cmd', '+1', '-x', '@SUM(1)', '\t=1', '\r=1', '=HYPERLINK("http://e","x")', ' fine', 'a=b'];
    const numbers = ['-1', '-0.5', '1e-22', -3, 0.25, 7];
    const [head, escaped] = [['=a', 'b'], formatCsv(['=a', 'b'], [[...texts], [...numbers]])];
    expect(escaped).toBe(
      `'=a,b\r\n'=1+1|cmd,'+1,'-x,'@SUM(1),'\t=1,"'\r=1","'=HYPERLINK(""http://e"",""x"")", fine,a=b\r\n-1,-0.5,1e-22,-3,0.25,7\r\n`,
    );
    expect(formatCsv(head, [[...texts]], { raw: true })).toBe(
      `=a,b\r\n=1+1|cmd,+1,-x,@SUM(1),\t=1,"\r=1","=HYPERLINK(""http://e"",""x"")", fine,a=b\r\n`,
    );
  });

  it('progress prints plain lines with rate and time left when not on a terminal', () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    let text = '';
    const stream = { isTTY: false, write: (chunk: string) => ((text += chunk), true) } as unknown as NodeJS.WriteStream;
    const progress = startProgress({ label: 'Encoding', total: 100, unit: 'posts', stream });
    progress.update(1);
    expect(text).toBe('');
    now = 5000;
    progress.update(50, 'ok');
    expect(text).toBe('Encoding: 50/100 posts, 10 posts/s, 5 s left ok\n');
  });
});

describe('startJob', () => {
  it('learns of its total with the first update', () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    let text = '';
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => ((text += String(chunk)), true));
    const job = startJob({ label: 'Reading', unit: 'posts' });
    job.update(1, 10);
    now = 5000;
    job.update(5, 10);
    job.stop();
    expect(text).toContain('Reading: 5/10 posts');
  });
});

describe('leftOut', () => {
  it('says five warnings, and once that there are more', () => {
    const lines: string[] = [];
    const warn = leftOut((line) => void lines.push(line), 'further posts');
    for (let i = 0; i < 9; i++) warn(`post ${i}`);
    expect(lines).toEqual([...[0, 1, 2, 3, 4].map((i) => `left out: post ${i}`), 'left out: further posts']);
  });
});

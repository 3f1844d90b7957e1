import { join } from 'node:path';
import { cacheFolder } from '@drf/files';
import { formatCell } from '@drf/evaluation';
import { describe, expect, it, vi } from 'vitest';
import { commandOptions } from './options.js';
import type { MainOptions } from './flags.js';
import { createEvaluateCommand } from './program.js';

function parse(...args: string[]): { runs: string[]; options: MainOptions } {
  let parsed: { runs: string[]; options: MainOptions } | undefined;
  createEvaluateCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .action((runs: string[], options: MainOptions) => {
      parsed = { runs, options };
    })
    .parse(args, { from: 'user' });
  return parsed as { runs: string[]; options: MainOptions };
}

describe('the command line', () => {
  it('takes several runs and evaluates all cells unless told otherwise', () => {
    const { runs, options } = parse('a', 'b');
    expect(runs).toEqual(['a', 'b']);
    const { cells, cache, seed } = commandOptions(options);
    expect(cells).toHaveLength(22);
    expect([cache, seed]).toEqual([join(cacheFolder(), 'features'), undefined]);
  });

  it('passes everything on', () => {
    const { options } = parse(
      ...['run', '--split', 'val', '--cells', 'random', '--ratios', '0.5,1', '--seed', '7', '--engine', 'eager:cpu'],
      ...[
        '--dataset',
        'posts',
        '--dataset-file',
        'mine.csv',
        '--out',
        'there',
        '--csv',
        'all.csv',
        '--raw-csv',
        '--checkpoint',
        'c',
      ],
    );
    expect(commandOptions(options)).toMatchObject({
      split: 'val',
      seed: 7,
      engine: 'eager:cpu',
      dataset: { name: 'posts', file: 'mine.csv' },
      out: 'there',
      csv: 'all.csv',
      rawCsv: true,
      checkpoint: 'c',
    });
    expect(
      commandOptions(options)
        .cells?.map((testedOn) => formatCell({ testedOn }))
        .slice(0, 3),
    ).toEqual(['clean', 'random:0.5:C', 'random:1:C']);
  });

  it('takes new posts with columns of other names', () => {
    const { options } = parse('run', '--data', 'new.csv', '--data', 'more.csv', '--columns', 'text=body,label=mood');
    expect(commandOptions(options).dataset).toEqual({
      name: 'posts',
      root: undefined,
      file: ['new.csv', 'more.csv'],
      columns: { text: 'body', label: 'mood' },
    });
  });

  it.each([
    [['run', '--split', 'tset'], /"tset" is unknown; did you mean "test"\?/],
    [['run', '--dataset', 'mvsa-singel'], /did you mean "mvsa-single"\?/],
    [['run', '--seed', '-1'], /expected a whole number from 0/],
    [['run', '--engine', 'compield'], /did you mean "compiled"\?/],
    [['run', '--cels', 'clean'], /unknown option '--cels'[^]*--cells/],
    [[], /missing required argument 'runs'/],
  ])('refuses %s', (args, message) => {
    expect(() => parse(...args)).toThrow(message);
  });

  it.each([
    [['run', '--manifest', 'm', '--seed', '1'], '--manifest expected to stand without --seed, received both'],
    [['run', '--data', 'f', '--dataset', 'posts'], '--data expected to stand without --dataset, received both'],
    [['run', '--split-file', 'f', '--split', 'val'], '--split-file expected to stand without --split, received both'],
  ])('refuses what excludes each other: %s', (args, message) => {
    expect(() => commandOptions(parse(...args).options)).toThrow(message);
  });

  it.each(['--encoding', '--dataset.encoding'])('takes an encoding by %s', (flag) => {
    expect(commandOptions(parse('run', '--data', 'f', flag, 'windows-1252').options).dataset).toMatchObject({
      encoding: 'windows-1252',
    });
  });

  it('ends its help with examples', () => {
    const write = vi.fn();
    createEvaluateCommand().configureOutput({ writeOut: write }).outputHelp();
    expect(write.mock.calls.flat().join('')).toContain('$ pnpm eval RUN --manifest manifest.jsonl');
  });
});

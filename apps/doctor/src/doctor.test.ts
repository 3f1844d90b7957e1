import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it, vi } from 'vitest';
import { runApp } from '@drf/terminal';
import { examine } from './examine.js';
import { createDoctorProgram } from './program.js';
import { formatBytes, makeReport, render, type Finding, type Report } from './report.js';
import { thisMachine, type Machine } from './machine.js';
import { fakeMachine } from './testing/fake-machine.js';
import { readWanted } from './probes/platform.js';

async function command(argv: string[], machine: Machine): Promise<{ code: number; output: string; said: string }> {
  let [output, said] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((output += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((said += String(text)), true));
  const before = process.exitCode;
  process.exitCode = undefined;
  await runApp(
    createDoctorProgram(() => machine),
    argv,
  );
  const code = Number(process.exitCode);
  process.exitCode = before;
  vi.restoreAllMocks();
  return { code, output, said };
}

describe('doctor', () => {
  it('ends with 0 and one line when nothing stops the default use', async () => {
    const { code, output, said } = await command([], fakeMachine());
    expect(code).toBe(0);
    expect(said).toMatch(/^Looking at machine, disk, network …\nLooking at engine compiled …\n/);
    expect(output).toMatch(/\n {2}✓ ok {8}Node {2,}22\.1\.0\n/);
    expect(output).toMatch(/\nReady: nothing stops the default use \(\d+\.\d s\)\n$/);
  });

  it('ends with 1 when something does, and says what to do', async () => {
    const { code, output } = await command([], fakeMachine({ nodeVersion: '18.0.0', freeBytes: async () => 2e9 }));
    expect(code).toBe(1);
    expect(output).toMatch(/✗ problem {3}Node {2,}18\.0\.0, wanted 20 or newer\n {2,}→ install Node 20 or newer\n/);
    expect(output).toMatch(/\nNot ready: 1 problem to solve first; 4 lines to look at \(/);
  });

  it('prints JSON of a fixed form', async () => {
    const { code, output, said } = await command(['--json'], fakeMachine({ nodeVersion: '18.0.0' }));
    expect(said).toBe('');
    const report = JSON.parse(output) as Report;
    expect(code).toBe(1);
    expect(Object.keys(report)).toEqual(['format', 'ok', 'seconds', 'findings']);
    expect(report).toMatchObject({ format: 1, ok: false, seconds: expect.any(Number) as number });
    for (const finding of report.findings) {
      expect([finding.topic, finding.subject, finding.found].every((text) => text.length > 0)).toBe(true);
      expect(['good', 'warning', 'problem', 'absent']).toContain(finding.mark);
      expect(typeof finding.advice).toBe(finding.mark === 'good' ? 'undefined' : 'string');
    }
  });

  it('refuses an unknown option, and has help with examples', async () => {
    const errors = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    const before = process.exitCode;
    await runApp(
      createDoctorProgram(() => fakeMachine()),
      ['--jsno'],
    );
    expect(process.exitCode).toBe(2);
    expect(errors.mock.calls.join('')).toContain('Did you mean --json?');
    process.exitCode = before;
    const { code, output } = await command(['--help'], fakeMachine());
    expect([code, output.includes('$ pnpm run doctor')]).toEqual([0, true]);
  });
});

describe('examine', () => {
  it('looks at everything, in the order of the report', async () => {
    const stages: string[] = [];
    const report = await examine(fakeMachine(), readWanted(), {
      verify: true,
      onStage: (stage) => void stages.push(stage),
    });
    expect([...new Set(report.findings.map(({ topic }) => topic))]).toEqual([
      ...['Machine', 'Memory', 'Disk', 'Libraries', 'Engines', 'GPU', 'Model hub', 'Caches', 'Object storage'],
      'Several machines',
      'For development',
    ]);
    expect(stages).toEqual([
      'machine, disk, network',
      ...['compiled', 'eager:wasm', 'eager:cpu', 'eager:tensorflow'].map((name) => `engine ${name}`),
      'hashes of native TensorFlow',
    ]);
  });
});

describe('render', () => {
  const findings: Finding[] = [
    { topic: 'A', subject: 'one', mark: 'good', found: 'here' },
    { topic: 'A', subject: 'three', mark: 'warning', found: 'odd', advice: 'look at it' },
    { topic: 'B', subject: 'two', mark: 'problem', found: 'gone', advice: 'bring it back' },
    { topic: 'B', subject: 'four', mark: 'absent', found: 'none', advice: 'leave it' },
  ];
  const report = makeReport(findings, 1.25);

  it('marks by a sign and a word, not by color alone', () => {
    expect(render(report, false)).toBe(
      [
        ...['A', '  ✓ ok        one    here', '  ! look      three  odd', '                     → look at it', ''],
        ...['B', '  ✗ problem   two    gone', '                     → bring it back'],
        ...['  · optional  four   none', '                     → leave it', ''],
        'Not ready: 1 problem to solve first; 1 line to look at (1.3 s)\n',
      ].join('\n'),
    );
  });

  it('adds color where it is wanted, and changes nothing else', () => {
    const colored = render(report, true);
    expect(colored).toContain('\u001b[31m✗ problem \u001b[39m');
    expect(stripVTControlCharacters(colored)).toBe(render(report, false));
  });
});

describe('this machine', () => {
  const machine = thisMachine();

  it('reads small files, sizes, free space, programs and hashes', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drf-doctor-'));
    await writeFile(join(folder, 'a'), 'abc');
    expect(await machine.readText(join(folder, 'a'))).toBe('abc');
    expect(await machine.readText(join(folder, 'b'))).toBeUndefined();
    expect(await machine.folderBytes(folder)).toEqual({ bytes: 3, more: false });
    expect(await machine.folderBytes(join(folder, 'b'))).toBeUndefined();
    expect(await machine.freeBytes(join(folder, 'b', 'c'))).toBeGreaterThan(0);
    expect(await machine.sha256(join(folder, 'a'))).toMatch(/^ba7816bf/);
    expect(await machine.findProgram(['no-such-program', 'node'])).toMatch(/node$/);
    expect(await machine.findProgram(['no-such-program'])).toBeUndefined();
    await rm(folder, { recursive: true });
  });

  it('loads packages with their versions and measures engines', async () => {
    expect(await machine.loadPackage('sharp')).toMatch(/^\d+\.\d+\.\d+/);
    await expect(machine.loadPackage('@example/absent')).rejects.toThrow(/absent/);
    expect((await machine.measureEngine('eager:cpu')).gflops).toBeGreaterThan(0);
  });

  it('knows what the workspace wants', () => {
    expect(readWanted()).toEqual({ nodeMajor: 20, pnpm: expect.stringMatching(/^\d+\.\d+\.\d+$/) as string });
  });
});

it('formats bytes', () => {
  expect([0, 999, 1500, 780_000_000, 3.25e9, 5e15].map(formatBytes)).toEqual([
    ...['0 bytes', '999 bytes', '1.5 KB', '780 MB', '3.3 GB', '5000 TB'],
  ]);
});

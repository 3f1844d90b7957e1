// A program of units that do what their input says; for tests.
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { DataError, UnavailableError } from '@drf/tensor';
import type { UnitKind } from '../contract.js';
import { unitProgram } from '../unit-program.js';

export interface TinyInput {
  readonly what: 'ok' | 'refuse' | 'unavailable' | 'bug' | 'exit' | 'kill' | 'nothing' | 'hang' | 'stubborn' | 'sleep';
  /** What it does instead from its so-manyeth try on: "ok". */
  readonly times?: number;
  readonly milliseconds?: number;
}

const CODE = process.env['TINY_CODE'] ?? 'tiny 1';

const tiny: UnitKind = {
  kind: 'tiny',
  code: CODE,
  open: async ({ plan }) => {
    if (plan.settings === 'does not open') {
      throw new DataError({ subject: 'Opening', expected: 'a model', received: 'none', remedy: 'train one' });
    }
    return {
      perform: async (unit, { threads, signal, report }) => {
        const folder = plan.storage.folder as string;
        const tries = join(folder, `${unit.label}.tries`);
        await appendFile(tries, `${process.pid}\n`);
        const count = (await plan.storage.find(`${unit.label}.tries`))?.bytes ?? 0;
        const { what, times = Infinity, milliseconds = 0 } = unit.input as TinyInput;
        console.log('{"kind":"done"} is what a library prints');
        report({ what: 'counting', done: 1, total: 2 });
        const act = count > times * `${process.pid}\n`.length ? 'ok' : what;
        if (act === 'refuse') throw new DataError({ subject: 'Row 3', expected: 'a label', received: 'none' });
        if (act === 'unavailable') throw new UnavailableError({ subject: 'Hub', expected: 'a net', received: 'none' });
        if (act === 'bug') throw new TypeError('no such\nfunction');
        if (act === 'kill') process.kill(process.pid, 'SIGKILL');
        if (act === 'exit') await new Promise(() => process.stderr.write('out of memory\n', () => process.exit(9)));
        if (act === 'nothing') return;
        if (act === 'sleep') await wait(milliseconds, undefined, { signal });
        if (act === 'hang') await wait(60_000, undefined, { signal });
        if (act === 'stubborn') await wait(60_000);
        const content = JSON.stringify({ label: unit.label, threads, settings: plan.settings });
        await plan.storage.write(unit.output, content, { ifAbsent: true });
      },
      close: () => Promise.resolve(),
    };
  },
};

await unitProgram([tiny]);

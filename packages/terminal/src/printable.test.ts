import { describe, expect, it, vi } from 'vitest';
import { createProgram, cursorStream, escapeHtml, formatTable, printable, runApp, startProgress } from './index.js';
import { guard } from './printable.js';

/** Something that a terminal would obey, hide or turn around, in as many ways as there are. */
const HOSTILE = '\u001b]0;PWNED\u0007\u009b31m\u0000\b\r\u007f\u202e\u2066\u200f\u2028\ufeff\ud800';
const SHOWN = '\\u001b]0;PWNED\\u0007\\u009b31m\\u0000\\u0008\\u000d\\u007f\\u202e\\u2066\\u200f\\u2028\\ufeff\\ud800';

function fakeTerminal(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  let text = '';
  const write = (chunk: string | Uint8Array): boolean => ((text += chunk.toString()), true);
  const stream = Object.assign(Object.create(process.stderr) as NodeJS.WriteStream, { isTTY, write, columns: 200 });
  return { stream, text: () => text };
}

describe('printable', () => {
  it('shows what a terminal would obey, and keeps every other character', () => {
    expect(printable(HOSTILE)).toBe(SHOWN);
    const kept = 'plain, ünïcödé, 笑, 👩‍👩‍👧 🇩🇪, سلام, e\u0301\n\ttabs and lines\r\nof Windows';
    expect(printable(kept)).toBe(kept);
    expect(printable('a\n\tb\r\nc', { layout: false })).toBe('a\\u000a\\u0009b\\u000d\\u000ac');
  });

  it('leaves JSON meaning the same', () => {
    const value = { text: `a${HOSTILE}b`, lines: 'a\nb' };
    expect(JSON.parse(printable(JSON.stringify(value, null, 2)))).toEqual(value);
  });

  it('keeps tables in their columns', () => {
    const lines = formatTable([HOSTILE, 'posts'], [['one\ntwo', 1], [`${HOSTILE}x`, 2]]).split('\n'); // prettier-ignore
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
    expect(lines).toHaveLength(6);
    expect(lines.join('\n')).toBe(printable(lines.join('\n')));
    expect(lines[3]).toContain('one\\u000atwo');
  });
});

describe('escapeHtml', () => {
  it('leaves nothing that begins a tag or ends an attribute', () => {
    expect(escapeHtml(`<a href="x">'&`)).toBe('&lt;a href=&quot;x&quot;&gt;&#39;&amp;');
  });
});

describe('guard', () => {
  it('sends whatever is printed through it, once, and passes bytes and cursor movements', () => {
    const { stream, text } = fakeTerminal(true);
    guard(stream);
    guard(stream);
    stream.write(`class ${HOSTILE}\n`);
    stream.write(Buffer.from('\u001b'));
    cursorStream(stream).write('\r\u001b[K');
    expect(text()).toBe(`class ${SHOWN}\n\u001b\r\u001b[K`);
  });

  it('lets progress bars move the cursor, but not what they show', () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const { stream, text } = fakeTerminal(true);
    guard(stream);
    const progress = startProgress({ label: `Judging ${HOSTILE}`, total: 10, unit: 'posts', stream });
    progress.update(1);
    now = 5000;
    progress.update(5, `of ${HOSTILE}`);
    progress.stop();
    vi.restoreAllMocks();
    expect(text()).toContain(`Judging ${SHOWN}`);
    expect(text()).toContain(`of ${SHOWN}`);
    expect(text()).toContain('\u001b[?25h'); // the cursor is shown again
    expect(text()).not.toContain('PWNED\u0007');
  });

  it('covers what apps print and the errors that end them', async () => {
    let printed = '';
    const keep = (chunk: unknown): boolean => ((printed += String(chunk)), true);
    vi.spyOn(process.stdout, 'write').mockImplementation(keep);
    vi.spyOn(process.stderr, 'write').mockImplementation(keep);
    const before = process.exitCode;
    const program = createProgram('demo', 'A demo.', []).argument('[name]').action((name) => {
      process.stdout.write(`label ${String(name)}\n`);
      throw new Error(`bad ${String(name)}`);
    }); // prettier-ignore
    await runApp(program, [HOSTILE]);
    await runApp(program, [`--${HOSTILE}`]);
    process.exitCode = before;
    vi.restoreAllMocks();
    expect(printed).toContain(`label ${SHOWN}\n`);
    expect(printed).toContain(`bad ${SHOWN}`);
    expect(printed).toContain(`unknown option '--${SHOWN}'`);
    expect(printed).toBe(printable(printed));
  });

  it('hands encodings and callbacks on', async () => {
    const heard: unknown[] = [];
    const { stream } = fakeTerminal(false);
    stream.write = ((...all: unknown[]) => (heard.push(all.slice(0, 2)), (all.at(-1) as () => void)(), true)); // prettier-ignore
    guard(stream);
    await new Promise<void>((resolve) => void stream.write('a\u0007', 'utf8', () => resolve()));
    expect(heard).toEqual([['a\\u0007', 'utf8']]);
  });
});

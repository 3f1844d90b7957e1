import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isBuiltin } from 'node:module';
import ts from 'typescript';
import { run } from './workspace.js';

/** The first program of a README, and what the README says that it prints. */
export interface Example {
  readonly code: string;
  /** null where what it prints depends on more than the example. */
  readonly shown: string | null;
  /** The packages that the README's `npm install` line names. */
  readonly installed: readonly string[];
}

/**
 * @param folder of a package, or a document itself
 * @throws Error when there is none
 */
export async function readExample(folder: string): Promise<Example> {
  const text = await readFile(folder.endsWith('.md') ? folder : join(folder, 'README.md'), 'utf8');
  const [, code] = /```ts\n([\s\S]*?)```/.exec(text) ?? [];
  if (code === undefined) throw new Error('README.md has no example');
  const [, shown = null] = /```ts\n[\s\S]*?```\s+prints[^\n]*\s+```text\n([\s\S]*?)```/.exec(text) ?? [];
  const [, install = ''] = /^npm install (.*)$/m.exec(text) ?? [];
  return { code, shown, installed: install.split(/\s+/).filter((word) => word !== '' && !word.startsWith('-')) };
}

/** Packages that an example imports and its README does not tell to install. */
export function missingFromInstall({ code, installed }: Example): string[] {
  const names = ts
    .preProcessFile(code, true, true)
    .importedFiles.map(({ fileName }) => fileName)
    .filter((name) => !isBuiltin(name) && !name.startsWith('.'))
    .map((name) =>
      name
        .split('/')
        .slice(0, name.startsWith('@') ? 2 : 1)
        .join('/'),
    );
  return [...new Set(names)].filter((name) => !installed.includes(name));
}

/**
 * Runs a compiled example.
 * @returns what is wrong, or nothing
 */
export async function runExample(program: string, cwd: string, shown: string | null): Promise<string[]> {
  const result = await run(process.execPath, [program], { cwd, timeout: 120_000 });
  if (result.failed)
    return [`the README's example fails: ${result.errors.trim().split('\n').slice(-8).join('\n      ')}`];
  if (shown !== null && result.output !== shown) {
    return [`the README's example prints\n${result.output}and the README shows\n${shown}`];
  }
  if (result.output === '') return ["the README's example prints nothing"];
  return [];
}

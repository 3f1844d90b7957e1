import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import type { Tarball } from './pack.js';
import { run, type Manifest } from './workspace.js';

/** What publint says, suggestions too. */
export async function publintProblems(tarball: Tarball, manifest: Manifest): Promise<string[]> {
  const content = await readFile(tarball.path);
  const archive = content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength) as ArrayBuffer;
  const { messages } = await publint({ pack: { tarball: archive }, strict: true, level: 'suggestion' });
  return messages.map((message) => formatMessage(message, manifest as never, { color: false }) ?? message.code);
}

/** What "are the types wrong" says, for packages that are ES modules only. */
export async function typesProblems(tarball: Tarball): Promise<string[]> {
  const require = createRequire(import.meta.url);
  const program = join(dirname(require.resolve('@arethetypeswrong/cli/package.json')), 'dist', 'index.js');
  const args = [program, tarball.path, '--profile', 'esm-only', '--format', 'json'];
  const { output, errors } = await run(process.execPath, args, { cwd: tarball.folder });
  if (output === '') return [`attw printed nothing: ${errors.slice(0, 300)}`];
  const { analysis } = JSON.parse(output) as { readonly analysis: TypesAnalysis };
  if (!('problems' in analysis)) return ['attw found no types'];
  // the profile's two other kinds of resolution are of CommonJS and of TypeScript before 4.7
  return analysis.problems
    .filter(({ resolutionKind, resolutionOption }) => {
      const kind = resolutionKind ?? resolutionOption;
      return kind !== 'node10' && kind !== 'node16-cjs';
    })
    .map((problem) => `types: ${problem.kind} at ${problem.entrypoint ?? 'the package'}`);
}

interface TypesAnalysis {
  readonly problems: readonly {
    readonly kind: string;
    readonly entrypoint?: string;
    readonly resolutionKind?: string;
    readonly resolutionOption?: string;
  }[];
}

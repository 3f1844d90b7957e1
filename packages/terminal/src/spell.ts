/** Sources and builds of this very package in its workspace; an installed one lies in `node_modules`. */
const IN_WORKSPACE = /\/packages\/terminal\/(src|dist)\/[^/]*$/;

/** What only a clone of the repository has. */
const ONLY_IN_A_CLONE = /^(build|tensorflow:install|bench)\b/;

/** How a process was started, as far as commands are spelled by it. */
interface Caller {
  /** The program's path, as it was called. */
  readonly program: string | undefined;
  /** What npm says that it is doing: `exec` for npx. */
  readonly npmCommand: string | undefined;
}

/** This process. */
function thisCaller(): Caller {
  return { program: process.argv[1], npmCommand: process.env['npm_command'] };
}

/**
 * A command as whoever reads it has to type it: `pnpm train quickstart` in the workspace, `drf train quickstart` where the
 * packages are installed, `npx drf train quickstart` where npx started this, and `drf-predict exported` of an installation
 * that has the command `drf-predict` alone. Every help text, error, report and card says commands through this.
 *
 * ```ts
 * spell('train quickstart'); // 'pnpm train quickstart' in a clone of the repository
 * ```
 * @param words the command and what follows it, without a program before it; `install` is the package manager's
 * @param from where this module lies
 */
export function spell(words: string, from = import.meta.url, caller = thisCaller()): string {
  if (IN_WORKSPACE.test(from)) return `pnpm ${words.replace(/^doctor\b/, 'run doctor')}`; // pnpm has a doctor of its own
  if (/^install\b/.test(words)) return `npm ${words}`;
  if (ONLY_IN_A_CLONE.test(words)) return `${words} in a clone of the repository`;
  const npx = caller.npmCommand === 'exec' ? 'npx ' : '';
  const alone = /[\\/]drf-(\w+)$/.exec(caller.program ?? '')?.[1];
  if (alone !== undefined && words.split(' ')[0] === alone) return `${npx}drf-${words}`;
  return `${npx}drf ${words}`;
}

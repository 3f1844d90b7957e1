/** Sources and builds of this very package in its workspace; an installed one lies in `node_modules`. */
const IN_WORKSPACE = /\/packages\/terminal\/(src|dist)\/[^/]*$/;

/** What only a clone of the repository has. */
const ONLY_IN_A_CLONE = /^(build|tensorflow:install|bench)\b/;

/**
 * A command as whoever reads it has to type it: `pnpm train quickstart` in the workspace, `drf train quickstart` where the
 * packages are installed. Every help text, error, report and card says commands through this.
 *
 * ```ts
 * spell('train quickstart'); // 'pnpm train quickstart' in a clone of the repository
 * ```
 * @param words the command and what follows it, without a program before it; `install` is the package manager's
 * @param from where this module lies
 */
export function spell(words: string, from = import.meta.url): string {
  if (IN_WORKSPACE.test(from)) return `pnpm ${words.replace(/^doctor\b/, 'run doctor')}`; // pnpm has a doctor of its own
  if (/^install\b/.test(words)) return `npm ${words}`;
  return ONLY_IN_A_CLONE.test(words) ? `${words} in a clone of the repository` : `drf ${words}`;
}

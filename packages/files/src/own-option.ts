import { collect, type Command } from '@drf/terminal';
import { loadDefinition } from './definition.js';

/**
 * Lets a program take modules of the user's own: `--own` names them, and they are loaded before the program acts.
 * @param others those that further options of the command name
 */
export function addOwnOption(
  command: Command,
  others: (options: Readonly<Record<string, unknown>>) => readonly string[] = () => [],
): Command {
  return command
    .option('--own <module>', 'a module of your own that a run or experiment asks for; may be repeated', collect)
    .hook('preAction', async (_, action) => {
      const options: Readonly<Record<string, unknown>> = action.optsWithGlobals();
      const own = (options['own'] ?? []) as readonly string[];
      for (const module of new Set([...own, ...others(options)])) await loadDefinition(module);
    });
}

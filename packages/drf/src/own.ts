/**
 * Loads modules of the user's own, which runs their code: what the user's code names, never what a run or a file does.
 * Modules are known by their content, so that loading one again, or for another model, changes nothing.
 * @throws ConfigurationError for one that does not load
 */
export async function loadOwnModules(modules: readonly string[]): Promise<void> {
  if (modules.length === 0) return;
  const { loadDefinition } = await import('@drf/files');
  for (const module of new Set(modules)) await loadDefinition(module);
}

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the page that this package holds; nothing in a workspace that was not built. */
export function builtPage(): string | undefined {
  const folder = fileURLToPath(new URL('../dist/site', import.meta.url));
  return existsSync(join(folder, 'index.html')) ? folder : undefined;
}

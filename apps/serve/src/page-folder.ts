import { stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Where `pnpm build` leaves the page of this workspace. */
const BUILT_PAGE = fileURLToPath(new URL('../../page/dist/site/', import.meta.url));

/** The folder that `--page` names, or the built page when there is one. */
export async function pageFolder(option: string | boolean): Promise<string | undefined> {
  if (typeof option === 'string') return option;
  if (!option) return undefined;
  const isThere = await stat(`${BUILT_PAGE}index.html`).then(() => true, () => false); // prettier-ignore
  return isThere ? BUILT_PAGE : undefined;
}

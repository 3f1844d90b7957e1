import { pageFolder as builtPage } from '@drf/page-app';

/**
 * The folder that `--page` names; with neither `--page` nor `--no-page` that of this workspace's page, which is built
 * first where that is due.
 * @param say told that it takes a moment
 */
export async function pageFolder(
  option: string | boolean | undefined,
  say: (message: string) => void,
): Promise<string | undefined> {
  if (typeof option === 'string') return option;
  return option === false ? undefined : builtPage(() => say('Building the page …'));
}

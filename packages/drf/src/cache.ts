import { join } from 'node:path';

/** Where features are kept unless somebody says otherwise: in the user's cache folder, as by the command `drf`. */
export async function featureCache(): Promise<string> {
  const { cacheFolder } = await import('@drf/files');
  return join(cacheFolder(), 'features');
}

import { homedir } from 'node:os';
import { join } from 'node:path';

/** How the hub is reached, as other Hugging Face tools read it from the environment. */
export interface HubSettings {
  /** `HF_ENDPOINT`: the hub, or a mirror of it. */
  readonly endpoint: string;
  /** `HF_TOKEN`: for private and gated models. */
  readonly token?: string;
  /** `HF_HUB_OFFLINE`: never ask. */
  readonly offline: boolean;
  /** `HF_HUB_CACHE`, or `hub` in `HF_HOME`, or in the user's cache folder. */
  readonly cacheDir: string;
}

const DEFAULT_ENDPOINT = 'https://huggingface.co';

type Environment = Readonly<Record<string, string | undefined>>;

function defaultCacheDir({ HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME }: Environment): string {
  if (HF_HUB_CACHE) return HF_HUB_CACHE;
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface');
  return join(home, 'hub');
}

export function hubSettings(environment: Environment): HubSettings {
  const { HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE } = environment;
  return {
    endpoint: (HF_ENDPOINT || DEFAULT_ENDPOINT).replace(/\/+$/, ''),
    token: HF_TOKEN || undefined,
    offline: /^(1|on|yes|true)$/i.test(HF_HUB_OFFLINE ?? ''),
    cacheDir: defaultCacheDir(environment),
  };
}

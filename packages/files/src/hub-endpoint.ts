import { ConfigurationError, refuser } from '@drf/tensor';

/** Where a hub of models answers. */
interface HubEndpoint {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** Whether nobody on the way reads what is sent: it is encrypted, or stays on this machine. */
  readonly isPrivate: boolean;
}

/**
 * Reads the address of a hub, such as `HF_ENDPOINT` gives it.
 * @param subject whose address it is, for errors
 * @throws ConfigurationError for what is no address of the web, and for one with a password, which is not shown
 */
export function parseHubEndpoint(text: string, subject: string): HubEndpoint {
  const refuse = refuser(ConfigurationError, subject);
  const endpoint = text.replace(/\/+$/, '');
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url !== undefined && (url.username !== '' || url.password !== '')) {
    throw refuse('an address without a password', 'one with a password (not shown)', 'give a token by HF_TOKEN');
  }
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw refuse('an address such as https://huggingface.co', JSON.stringify(endpoint));
  }
  const isHere = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return { endpoint, isPrivate: url.protocol === 'https:' || isHere };
}

import type { Card } from '@drf/judge/card';
import type { Modality } from '@drf/tensor';

/** What went wrong, in words for the reader of the page. */
export class PageError extends Error {
  override readonly name = 'PageError';
}

/** Words for any error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether work was given up because newer work took its place. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Log densities of posts like those of training, by modality: quantiles in even steps. */
export type Distributions = Readonly<Record<Modality, readonly number[] | null>>;

/** What the page must know of a model. */
export interface Model {
  readonly mode: 'server' | 'browser';
  readonly method: string;
  readonly run: string;
  /** Side in pixels at which images are decoded. */
  readonly imageSize: number;
  readonly maskToken: string;
  readonly distributions: Distributions | null;
  readonly textCharacters: number;
  /** In the browser. */
  readonly card: Card | null;
}

/** A post of the run's own data. */
export interface RunExample {
  readonly id: string;
  readonly text: string | null;
  /** A JPEG, in base64 where the service sends it. */
  readonly image: string | Uint8Array | null;
  /** What it is in truth. */
  readonly label: string;
}

/** The part of the service's `/v1/model` that is read here. */
interface ModelAnswer {
  readonly mode: 'server' | 'browser';
  readonly method: string;
  readonly run: string;
  readonly imageSize: number;
  readonly maskToken: string | null;
  readonly calibration: { readonly quality: Distributions | null } | null;
  readonly limits?: { readonly textCharacters: number };
}

const DEFAULT_MASK = '[MASK]';
const LONGEST_TEXT = 16_384;

/** The service wants its token. */
export class TokenNeeded extends PageError {}

/** Asks the service (or the folder of static files) that this page came from. */
export class Connection {
  constructor(private readonly token: string | null) {}

  get headers(): Readonly<Record<string, string>> {
    return this.token === null ? {} : { authorization: `Bearer ${this.token}` };
  }

  /** @throws TokenNeeded; PageError when there is no model; DataError for the card of another version */
  async model(): Promise<Model> {
    const answer = await this.json<ModelAnswer>('v1/model');
    if (answer?.mode === 'server') {
      const { mode, method, run, imageSize, calibration, limits } = answer;
      const maskToken = answer.maskToken ?? DEFAULT_MASK;
      const textCharacters = limits?.textCharacters ?? LONGEST_TEXT;
      return { mode, method, run, imageSize, maskToken, distributions: calibration?.quality ?? null, textCharacters, card: null }; // prettier-ignore
    }
    const card = await this.json<unknown>('model/card.json'); // also where static files are all there is
    if (card === null)
      throw new PageError('There is no model here: neither a service that judges, nor an exported one.');
    const { parseCard } = await import('@drf/judge/card'); // which a page of a service does not wait for
    return ofCard(parseCard('The exported model, card.json,', card));
  }

  /**
   * Posts to try the page on: those that the run kept of its own. Null stands for the page's own, which are posts of the
   * embedded data, where the model was trained on these.
   */
  async examples({ card }: Model): Promise<readonly RunExample[] | null> {
    const answer = await this.json<{ readonly builtIn: boolean; readonly posts: readonly RunExample[] }>('v1/examples');
    if (answer !== null) return answer.posts.length === 0 && answer.builtIn ? null : answer.posts;
    if (card?.dataset === 'embedded') return null; // static files are all there is
    const exported = await this.json<{ readonly posts: readonly RunExample[] }>('model/examples/examples.json');
    const posts: RunExample[] = [];
    for (const post of exported?.posts ?? []) {
      if (post.image === null) posts.push(post);
      else posts.push({ ...post, image: await this.file(`model/examples/${post.image}`) });
    }
    return posts;
  }

  /** @throws PageError when it cannot be had */
  private async file(path: string): Promise<Uint8Array> {
    const response = await fetch(path, { headers: this.headers }).catch(() => null);
    if (response?.ok !== true) throw new PageError(`${path.split('/').at(-1)} could not be loaded.`);
    return new Uint8Array(await response.arrayBuffer());
  }

  private async json<T>(path: string): Promise<T | null> {
    const response = await fetch(path, { headers: this.headers }).catch(() => null);
    if (response === null) throw new PageError('The service cannot be reached. Is it running?');
    if (response.status === 401) throw new TokenNeeded('The token is not the right one.');
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return response.ok && isJson ? ((await response.json()) as T) : null;
  }
}

function ofCard(card: Card): Model {
  const { method, run, preprocessing, calibration } = card;
  return {
    mode: 'browser',
    method,
    run: run.id,
    imageSize: preprocessing.image.decodedSize,
    maskToken: preprocessing.text.maskToken ?? DEFAULT_MASK,
    distributions: calibration?.quality ?? null,
    textCharacters: LONGEST_TEXT,
    card,
  };
}

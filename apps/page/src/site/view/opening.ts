import { type Model, TokenNeeded } from '../judge/connection.js';
import { byId, html } from './dom.js';

/** Which model judges, and where. */
export function describeModel({ run, method, mode }: Model): string {
  return `Run “${run}”, method ${method}, judged ${mode === 'browser' ? 'in this browser' : 'by the service'}.`;
}

/** Where what the reader gives goes. */
export function describePrivacy({ mode }: Model): string {
  return mode === 'browser'
    ? 'Nothing that you give leaves this browser.'
    : 'What you give goes to the service that this page came from, and nowhere else.';
}

/**
 * Tries without a token, and asks the reader for one as long as the service wants it. It is kept by this page alone, for
 * as long as it is open.
 */
export async function askForToken<T>(open: (token: string | null) => Promise<T>): Promise<T> {
  const form = byId<HTMLFormElement>('token-form');
  const input = byId<HTMLInputElement>('token');
  for (let token: string | null = null; ;) {
    try {
      const opened = await open(token);
      form.hidden = true;
      return opened;
    } catch (error) {
      if (!(error instanceof TokenNeeded)) throw error;
      byId('token-error').textContent = token === null ? '' : error.message;
      byId('token-error').hidden = token === null;
      form.hidden = false;
      input.focus();
      token = await submitted(form, input);
    }
  }
}

function submitted(form: HTMLFormElement, input: HTMLInputElement): Promise<string> {
  return new Promise((resolve) => {
    const onSubmit = (event: Event): void => {
      event.preventDefault();
      resolve(input.value.trim());
    };
    form.addEventListener('submit', onSubmit, { once: true });
  });
}

/** A bar for the model that is on its way. */
export function showLoading(): { progress(bytes: number, total: number): void; end(): void } {
  const bar = byId<HTMLProgressElement>('loading-bar');
  byId('loading').hidden = false;
  byId('notice').hidden = true;
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(0);
  return {
    progress(bytes, total) {
      bar.value = bytes / total;
      const words = bytes < total ? `Loading the model: ${megabytes(bytes)} of ${megabytes(total)} MB` : 'Preparing the model …'; // prettier-ignore
      byId('loading-label').textContent = words;
    },
    end() {
      byId('loading').hidden = true;
    },
  };
}

/** A post of the embedded data set; the build writes `examples/examples.json`. */
export interface Example {
  readonly id: string;
  /** Relative to the page. */
  readonly image: string;
  readonly text: string;
  readonly label: string;
  readonly credit: {
    readonly name: string;
    readonly author: { readonly name: string; readonly url: string };
    readonly license: { readonly title: string; readonly url: string };
  };
}

/** Shows example posts as buttons, and who drew their pictures. */
export async function showExamples(onChoose: (example: Example, image: Blob) => void): Promise<readonly Example[]> {
  const response = await fetch('examples/examples.json').catch(() => null);
  const examples = response?.ok === true ? ((await response.json()) as readonly Example[]) : [];
  byId('examples').hidden = examples.length === 0;
  byId('examples').replaceChildren(
    ...examples.map((example) => {
      const picture = html('img', { src: example.image, alt: '', width: 64, height: 64 });
      const name = html('span', { class: 'hidden' }, `Example, ${example.label}: ${example.text}`);
      const button = html('button', { type: 'button', class: 'example', title: example.text }, picture, name);
      button.addEventListener('click', () => void load(example).then((image) => onChoose(example, image)));
      return button;
    }),
  );
  showCredits(examples);
  return examples;
}

export async function load({ image }: Example): Promise<Blob> {
  return (await fetch(image)).blob();
}

function showCredits(examples: readonly Example[]): void {
  const credits = new Map(examples.map(({ credit }) => [credit.name, credit]));
  const link = (href: string, words: string): HTMLElement => html('a', { href, rel: 'noreferrer' }, words);
  byId('credits').replaceChildren(
    ...Array.from(credits.values(), ({ name, author, license }) =>
      html('li', {}, link(author.url, name), ` by ${author.name}, `, link(license.url, license.title)),
    ),
  );
}

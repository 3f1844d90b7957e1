import { type Model, type RunExample, TokenNeeded } from '../judge/connection.js';
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

/** A post to try the page on. */
export interface Example {
  readonly text: string | null;
  readonly label: string;
  readonly picture: Picture;
}

/** An address of the page, a file, or nothing. */
type Picture = string | Blob | null;

/** A post of the embedded data set; the build writes `examples/examples.json`. */
interface BuiltInExample {
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

/**
 * Shows example posts as buttons, and who drew their pictures.
 * @param own those of the run; null for those of the page
 */
export async function showExamples(
  own: readonly RunExample[] | null,
  onChoose: (example: Example, image: Blob | null) => void,
): Promise<readonly Example[]> {
  const builtIn = own === null ? await builtInExamples() : [];
  const examples = own?.map(exampleOfRun) ?? builtIn.map(({ image, ...post }) => ({ ...post, picture: image }));
  byId('examples').hidden = examples.length === 0;
  byId('examples').replaceChildren(
    ...examples.map((example) => {
      const { text, label, picture } = example;
      const name = html('span', { class: 'hidden' }, `Example, ${label}: ${text ?? 'no text'}`);
      const shown = thumbnail(picture, text ?? '');
      const button = html('button', { type: 'button', class: 'example', title: `${label}: ${text ?? 'no text'}` }, shown, name); // prettier-ignore
      button.addEventListener('click', () => void load(example).then((image) => onChoose(example, image)));
      return button;
    }),
  );
  showCredits(builtIn);
  return examples;
}

async function builtInExamples(): Promise<readonly BuiltInExample[]> {
  const response = await fetch('examples/examples.json').catch(() => null);
  return response?.ok === true ? ((await response.json()) as readonly BuiltInExample[]) : [];
}

function exampleOfRun({ text, label, image }: RunExample): Example {
  if (image === null) return { text, label, picture: null };
  const bytes =
    typeof image === 'string' ? Uint8Array.from(atob(image), (character) => character.charCodeAt(0)) : image;
  return { text, label, picture: new Blob([new Uint8Array(bytes)], { type: 'image/jpeg' }) };
}

/** Side of thumbnails in pixels, twice what they take of the page. */
const SIDE = 128;

/** What a button shows: the picture (one that is no file of the page is drawn, as its policy wants), else some words. */
function thumbnail(picture: Picture, text: string): HTMLElement {
  if (picture === null) return html('span', { class: 'words', 'aria-hidden': 'true' }, text);
  if (typeof picture === 'string') return html('img', { src: picture, alt: '', width: 64, height: 64 });
  const canvas = html('canvas', { width: SIDE, height: SIDE, 'aria-hidden': 'true' });
  void createImageBitmap(picture, { resizeWidth: SIDE, resizeHeight: SIDE, resizeQuality: 'high' })
    .then((bitmap) => canvas.getContext('2d')?.drawImage(bitmap, 0, 0))
    .catch(() => undefined); // a damaged one stays blank, and choosing it says why
  return canvas;
}

/** An example's image as a file. */
export async function load({ picture }: Example): Promise<Blob | null> {
  return typeof picture === 'string' ? (await fetch(picture)).blob() : picture;
}

function showCredits(examples: readonly BuiltInExample[]): void {
  byId('credits-part').hidden = examples.length === 0;
  const credits = new Map(examples.map(({ credit }) => [credit.name, credit]));
  const link = (href: string, words: string): HTMLElement => html('a', { href, rel: 'noreferrer' }, words);
  byId('credits').replaceChildren(
    ...Array.from(credits.values(), ({ name, author, license }) =>
      html('li', {}, link(author.url, name), ` by ${author.name}, `, link(license.url, license.title)),
    ),
  );
}

import { byId, html } from './dom.js';

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

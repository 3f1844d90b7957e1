// The page as people use it: in a real browser, by the service and by itself.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serve, type Served } from './serve.js';
import { CHROMIUM, eventually, PageFixture, RESULTS, verdict, WITHOUT_CHROMIUM } from './testing/page-fixture.js';

const TOKEN = 'token-of-the-tests';
const FROM_SOURCE = [
  '--conditions=source',
  '--import',
  new URL('../../../scripts/from-source.mjs', import.meta.url).href,
];

// Some seconds each; on a machine that is busy with something else, minutes.
describe.skipIf(CHROMIUM === undefined)(`the page in Chromium${WITHOUT_CHROMIUM}`, { timeout: 300_000 }, () => {
  let fixture: PageFixture;
  let byService: Served;
  let byBrowser: Served;

  beforeAll(async () => {
    fixture = await PageFixture.open();
    const at = { host: '127.0.0.1', port: 0, page: fixture.site };
    byService = await serve({ ...at, run: fixture.run, execArgv: FROM_SOURCE });
    byBrowser = await serve({ ...at, onnx: fixture.onnx, token: TOKEN });
  }, 240_000);

  afterAll(async () => {
    await fixture?.close();
    await byService?.close(0);
    await byBrowser?.close(0);
  });

  async function opened(options?: BrowserContextOptions): Promise<Page> {
    const page = await fixture.visit(byService.address, options);
    await page.waitForSelector(RESULTS);
    return page;
  }

  async function slide(page: Page, modality: 'image' | 'text', percent: number): Promise<void> {
    await page.fill(`#${modality}-fraction`, String(percent));
  }

  /** No worse than AA of the Web Content Accessibility Guidelines, as far as axe can tell. */
  async function expectAccessible(page: Page): Promise<void> {
    const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await page.evaluate(source); // not as a script element, which the page's policy forbids
    const found = await page.evaluate<{ id: string; nodes: unknown[] }[]>(
      `axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }).then(({ violations }) => violations.map(({ id, nodes }) => ({ id, nodes: nodes.map(({ html, failureSummary }) => html + failureSummary) })))`,
    );
    expect(found).toEqual([]);
  }

  it('shows an example at once, and judges as the service is asked to', async () => {
    const page = await opened();
    const { probabilities, pairs, densities } = await verdict(page);
    const image = await readFile(join(fixture.site, 'examples/test-0045.png'), 'base64');
    const response = await fetch(`${byService.address}/v1/predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image, text: await page.inputValue('#text') }),
    });
    const judgment = (await response.json()) as { label: string; probabilities: object; pairWeights: object };
    expect([probabilities, pairs]).toEqual([
      Object.values(judgment.probabilities),
      Object.values(judgment.pairWeights),
    ]);
    expect(await page.textContent('#label')).toBe(judgment.label);
    expect(densities).toEqual([
      expect.stringMatching(/^image: above \d+ % of posts like those of training$/),
      expect.stringMatching(/^text: above \d+ % of posts like those of training$/),
    ]);
    expect(await page.textContent('#model')).toBe('Run “run”, method drf, judged by the service.');
    expect(await page.$$eval('#credits li', (all) => all.length)).toBeGreaterThan(2);
    await page.context().close();
  });

  it('judges the same by itself, after it was given the token', async () => {
    const page = await fixture.visit(byBrowser.address);
    await page.fill('#token', 'a wrong one');
    await page.press('#token', 'Enter');
    await page.waitForSelector('#token-error:not([hidden])');
    await page.fill('#token', TOKEN);
    await page.press('#token', 'Enter');
    await page.waitForSelector(RESULTS);
    expect(await page.textContent('#privacy')).toBe('Nothing that you give leaves this browser.');
    const asked = await opened();
    const steps: ((each: Page) => Promise<unknown>)[] = [
      ...[0, 1, 2, 3, 4, 5].map((i) => async (each: Page) => {
        const before = await each.inputValue('#text');
        await each.click(`.example >> nth=${i}`);
        if (i > 0) await eventually(() => each.inputValue('#text')).not.toBe(before);
      }),
      (each) => slide(each, 'image', 60),
      (each) => slide(each, 'text', 50),
      (each) => each.fill('#text', 'sehr schön ﬁne 人工知能 は すごい 😀😀 so :) and :-('),
      (each) => each.fill('#text', 'word and more of it '.repeat(40)),
      (each) => each.uncheck('#image-on'),
      async (each) => [await each.check('#image-on'), await each.uncheck('#text-on')],
    ];
    let last: number[] = [];
    for (const [i, step] of steps.entries()) {
      const [own, served] = await Promise.all([page, asked].map(async (each) => (await step(each), verdict(each))));
      for (const part of ['probabilities', 'pairs'] as const) {
        expect(own?.[part].length).toBe(3);
        own?.[part].forEach((share, at) => expect(Math.abs(share - (served?.[part][at] as number)), `${part} in step ${i}`).toBeLessThan(1e-4)); // prettier-ignore
      }
      if (i > 0) expect(served?.probabilities, `step ${i} changes something`).not.toEqual(last);
      last = served?.probabilities ?? [];
    }
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    await page.context().close();
    await asked.context().close();
    fixture.forget('401'); // the browser notes the two refusals
  });

  it('recovers what is switched off, and has nothing to judge without both', async () => {
    const page = await opened();
    await page.uncheck('#text-on');
    await page.waitForSelector('#recovered:not([hidden])');
    expect(await page.textContent('#recovered')).toBe(
      'There is no text: what stands for it was recovered from the image.',
    );
    const { pairs, densities } = await verdict(page);
    expect([pairs[0], pairs[1], pairs[2], densities[1]]).toEqual([0, 1, 0, 'text: not in the post']);
    await page.uncheck('#image-on');
    await page.waitForSelector('#results[hidden]', { state: 'attached' });
    expect(await page.textContent('#notice')).toBe('Nothing to judge: give the post an image or a text.');
    await eventually(() => page.textContent('#announcement')).toMatch(/^Nothing to judge/);
    await page.click('#restore');
    expect((await verdict(page)).pairs[0]).toBeGreaterThan(0);
    await page.context().close();
  });

  it('corrupts by sliders that the keyboard moves, the same way for the same draw', async () => {
    const page = await opened();
    const intact = await verdict(page);
    await page.focus('#text-fraction');
    for (let i = 0; i < 50; i++) await page.keyboard.press('ArrowRight');
    expect(await page.textContent('#text-fraction-value')).toBe('50 %');
    const masked = await page.textContent('#text-read');
    expect(masked?.match(/\[MASK\]/g)).toHaveLength(3);
    expect((await verdict(page)).probabilities).not.toEqual(intact.probabilities);
    await page.focus('#image-fraction');
    await page.keyboard.press('End');
    expect(await page.$eval('#preview', (canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const { data } = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height) as ImageData;
      return [width, height, data.every((level, i) => level === (i % 4 === 3 ? 255 : 0))];
    })).toEqual([224, 224, true]); // prettier-ignore
    await page.click('#redraw');
    expect(await page.textContent('#text-read')).not.toBe(masked);
    await page.click('#restore');
    await slide(page, 'text', 50);
    expect(await page.textContent('#text-read')).toBe(masked);
    await slide(page, 'text', 0);
    await eventually(async () => (await verdict(page)).probabilities).toEqual(intact.probabilities);
    await page.context().close();
  });

  it('masks words as the encoder of the service does', async () => {
    const page = await fixture.visit(byService.address, {}, (own) =>
      own.route('**/v1/model', async (route) => {
        const answer = (await (await route.fetch()).json()) as object;
        await route.fulfill({ json: { ...answer, maskToken: '<mask>' } });
      }),
    );
    await page.waitForSelector(RESULTS);
    await slide(page, 'text', 50);
    await eventually(() => page.textContent('#text-read')).toMatch(/<mask>.*<mask>.*<mask>/s);
    await page.context().close();
  });

  it('shows the run’s own posts where it kept some, with or without an image, and nothing else', async () => {
    const image = await sharp({ create: { width: 40, height: 40, channels: 3, background: '#ff0000' } }).jpeg().toBuffer(); // prettier-ignore
    const posts = [
      { id: 'a', text: 'a text of the run', image: image.toString('base64'), label: 'good' },
      { id: 'b', text: '<b>words alone</b>', image: null, label: 'bad' },
    ];
    const page = await fixture.visit(byService.address, {}, (own) =>
      own.route('**/v1/examples', (route) => route.fulfill({ json: { builtIn: true, posts } })),
    );
    await page.waitForSelector(RESULTS);
    expect(await page.inputValue('#text')).toBe('a text of the run');
    expect(await page.evaluate('document.querySelectorAll(".example").length')).toBe(2);
    expect(await page.evaluate('document.querySelectorAll(".example img, .example b").length')).toBe(0);
    expect(await page.isVisible('#credits-part')).toBe(false);
    await expectAccessible(page);
    await page.click('.example >> nth=1');
    await eventually(() => page.inputValue('#text')).toBe('<b>words alone</b>');
    expect(await page.isVisible('#preview')).toBe(false);
    await page.context().close();
    const empty = await fixture.visit(byService.address, {}, (own) =>
      own.route('**/v1/examples', (route) => route.fulfill({ json: { builtIn: false, posts: [] } })),
    );
    await eventually(() => empty.textContent('#notice')).toBe('Nothing to judge: give the post an image or a text.');
    expect(await empty.isVisible('#examples')).toBe(false);
    await empty.context().close();
  });

  it('keeps what is done before the first example has come', async () => {
    let send: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (send = resolve));
    const page = await fixture.visit(byService.address, {}, (own) =>
      own.route('**/examples/test-0045.png', async (route) => {
        await held;
        await route.continue();
      }),
    );
    await page.waitForSelector('#privacy:not(:empty)');
    await slide(page, 'text', 50);
    await page.fill('#text', 'one two');
    await page.click('#redraw');
    send?.();
    await page.waitForSelector(RESULTS);
    expect([await page.inputValue('#text'), await page.inputValue('#text-fraction')]).toEqual(['one two', '50']);
    expect(await page.textContent('#text-read')).toMatch(/^(\[MASK\] two|one \[MASK\])$/);
    await page.context().close();
  });

  it('takes an image that is chosen, dropped or pasted, and refuses what is none', async () => {
    const page = await opened();
    const before = await verdict(page);
    await page.setInputFiles('#image-file', {
      name: 'cat.jpg',
      mimeType: 'image/jpeg',
      buffer: Buffer.from('no image'),
    });
    await page.waitForSelector('#image-error:not([hidden])');
    expect(await page.textContent('#image-error')).toMatch(/^This browser cannot read that file as an image/);
    expect(await verdict(page)).toEqual(before);
    const jpeg = await sharp({ create: { width: 400, height: 300, channels: 3, background: '#c81414' } })
      .jpeg()
      .toBuffer();
    await page.setInputFiles('#image-file', { name: 'red.jpg', mimeType: 'image/jpeg', buffer: jpeg });
    await page.waitForSelector('#image-error', { state: 'hidden' });
    const pixel = (): Promise<number[]> =>
      page.$eval('#preview', (canvas) => [...((canvas as HTMLCanvasElement).getContext('2d')?.getImageData(100, 100, 1, 1).data ?? [])]); // prettier-ignore
    await eventually(async () => (await pixel())[0]).toBeGreaterThan(190);
    for (const [event, field, color] of [
      ['drop', 'dataTransfer', '#1414c8'],
      ['paste', 'clipboardData', '#14c814'],
    ] as const) {
      const png = await sharp({ create: { width: 50, height: 50, channels: 3, background: color } })
        .png()
        .toBuffer();
      await page.evaluate(`{
        const transfer = new DataTransfer();
        transfer.items.add(new File([Uint8Array.from(atob('${png.toString('base64')}'), (c) => c.charCodeAt(0))], 'x.png', { type: 'image/png' }));
        const kind = '${event}' === 'drop' ? DragEvent : ClipboardEvent;
        document.dispatchEvent(new kind('${event}', { ${field}: transfer, bubbles: true, cancelable: true }));
      }`);
      const expected = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
      await eventually(async () => (await pixel()).slice(0, 3)).toEqual(expected);
    }
    await page.context().close();
  });

  it('shows the answer to what was written last, and says when the service is gone', async () => {
    const page = await opened();
    let held: (() => void) | undefined;
    const first = new Promise<void>((resolve) => (held = resolve));
    await page.route('**/v1/predict', async (route) => {
      if ((route.request().postData() ?? '').includes('the first')) await first;
      await route.continue().catch(() => undefined); // given up by then
    });
    await page.fill('#text', 'the first');
    await page.waitForRequest('**/v1/predict');
    await page.fill('#text', 'the last');
    const { probabilities } = await verdict(page);
    held?.();
    await page.waitForTimeout(300);
    expect((await verdict(page)).probabilities).toEqual(probabilities);
    await page.unrouteAll({ behavior: 'ignoreErrors' });
    await page.route('**/v1/predict', (route) => route.abort());
    await page.fill('#text', 'is anybody there?');
    await page.waitForSelector('#notice.error');
    expect(await page.textContent('#notice')).toBe('The service cannot be reached. Is it still running?');
    fixture.forget('ERR_FAILED');
    await page.context().close();
  });

  it('works by the keyboard alone', async () => {
    const page = await opened();
    const reached: string[] = [];
    for (let i = 0; i < 20 && reached.at(-1) !== 'restore'; i++) {
      await page.keyboard.press('Tab');
      const name = await page.evaluate<string>(`document.activeElement.id || document.activeElement.className || document.activeElement.tagName`); // prettier-ignore
      reached.push(name);
      if (name === 'example' && reached.filter((each) => each === 'example').length === 2) await page.keyboard.press('Enter'); // prettier-ignore
    }
    const own = ['image-on', 'image-file', 'image-fraction', 'text-on', 'text', 'text-fraction', 'redraw', 'restore'];
    expect(reached.filter((name) => own.includes(name))).toEqual(own);
    await eventually(() => page.inputValue('#text')).toBe('so this theater is disrupted #crestfallen');
    await page.context().close();
  });

  it.each([
    ['light', 1200],
    ['dark', 1200],
    ['light', 360],
    ['dark', 360],
  ] as const)('is accessible and fits: %s, %i pixels wide', async (colorScheme, width) => {
    const page = await opened({ colorScheme, viewport: { width, height: 800 }, reducedMotion: 'reduce' });
    await slide(page, 'text', 40);
    await page.uncheck('#image-on');
    await page.waitForSelector('#recovered:not([hidden])');
    await verdict(page);
    await expectAccessible(page);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    expect(background).toBe(colorScheme === 'dark' ? 'rgb(20, 23, 27)' : 'rgb(246, 247, 249)');
    await page.context().close();
  });

  it('asked nobody else and broke no rule of its policy', () => {
    expect(fixture.said).toEqual([]);
  });
});

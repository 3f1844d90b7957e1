import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeCalibration } from '@drf/experiment';
import { exportRun } from '@drf/export';
import { makeEmbeddedRun } from '@drf/export/testing';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { expect } from 'vitest';
import type { Calibration } from '@drf/judge';
import { findProgram } from '@drf/terminal';
import { buildPage } from '../../../page/src/build/build-page.js';

/** Path of the browser, where there is one. */
export const CHROMIUM = await findProgram(['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']);
/** For the names of tests that are skipped without it. */
export const WITHOUT_CHROMIUM =
  CHROMIUM === undefined ? ' [skipped: no Chromium on the path; Debian has chromium]' : '';

/** The page shows a judgment of what it has been given. */
export const RESULTS = '#verdict[aria-busy="false"] #results:not([hidden])';

/** What becomes true once the page has come to it; on a busy machine that takes a while. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 60_000 });

const quantiles = Array.from({ length: 201 }, (_, i) => -(10 ** (7 - (8 * i) / 200)));
const CALIBRATION: Calibration = {
  format: 'drf-calibration-2',
  checkpoint: 'step-3.safetensors',
  temperature: { temperature: 1.7, before: 1, after: 0.9, posts: 100, basis: 'fitted' },
  quality: { image: quantiles, text: quantiles, measuredOn: 'validation', posts: { image: 100, text: 100 } },
};

/** A small run, its export, and a browser that notes what pages say, break, or ask of others. */
export class PageFixture {
  readonly said: string[] = [];

  private constructor(
    private readonly folder: string,
    private readonly browser: Browser,
  ) {}

  static async open(): Promise<PageFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'drf-page-'));
    const run = await makeEmbeddedRun(join(folder, 'run'), { method: 'drf', imageSize: 224, seen: 20 });
    await writeCalibration(run, CALIBRATION);
    await exportRun(run.path, { out: join(folder, 'exported') });
    await buildPage(join(folder, 'built'));
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'];
    const browser = await chromium.launch({ executablePath: CHROMIUM as string, args, timeout: 120_000 });
    return new PageFixture(folder, browser);
  }

  /** Folder of the run. */
  get run(): string {
    return join(this.folder, 'run');
  }

  /** Folder of its export. */
  get onnx(): string {
    return join(this.folder, 'exported');
  }

  /** Folder of the page, as it is now. */
  get site(): string {
    return join(this.folder, 'built');
  }

  /** The page at an address, in a context of its own. @param prepare what is done before it is asked for */
  async visit(
    address: string,
    options: BrowserContextOptions = {},
    prepare?: (page: Page) => Promise<unknown>,
  ): Promise<Page> {
    const context = await this.browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    page.on('console', (message) => this.said.push(message.text()));
    page.on('pageerror', (error) => this.said.push(error.message));
    page.on('request', (request) => void (request.url().startsWith(address) || this.said.push(request.url())));
    await prepare?.(page);
    await page.goto(address);
    return page;
  }

  /** Takes back what was to be said. */
  forget(part: string): void {
    this.said.splice(0, this.said.length, ...this.said.filter((line) => !line.includes(part)));
  }

  async close(): Promise<void> {
    await this.browser.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** What a page says, once it has judged. */
export async function verdict(page: Page): Promise<{ probabilities: number[]; pairs: number[]; densities: string[] }> {
  await page.waitForSelector(RESULTS);
  const shares = (id: string): Promise<number[]> =>
    page.$$eval(`#${id} li`, (rows) => rows.map((row) => Number(row.dataset['share'])));
  const densities = await page.$$eval('.density svg', (all) =>
    all.map((each) => each.getAttribute('aria-label') ?? ''),
  );
  return { probabilities: await shares('probabilities'), pairs: await shares('pairs'), densities };
}

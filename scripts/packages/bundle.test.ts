import { createContext, runInContext } from 'node:vm';
import { join } from 'node:path';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { bundleForBrowser } from './bundle.js';
import { BROWSER_PACKAGES, ROOT, WITHOUT_TFJS } from './workspace.js';

const folderOf = (name: string): string => join(ROOT, 'packages', name.replace('@drf/', ''));

/** From source, so that no build has to be there. */
const bundleOf = (name: string) => bundleForBrowser('./src/index.ts', folderOf(name), ['source']);

describe('packages for browsers', () => {
  it.each(BROWSER_PACKAGES)('%s asks for no module of Node', async (name) => {
    const { builtins, errors, tfjs, bytes } = await bundleOf(name);
    expect({ builtins, errors }).toEqual({ builtins: [], errors: [] });
    expect(tfjs).toBe(!WITHOUT_TFJS.includes(name));
    expect(bytes).toBeGreaterThan(500);
  });

  it('names who asks for a module of Node', async () => {
    const { builtins } = await bundleOf('@drf/files');
    expect(builtins).toContain('node:crypto (from files/src/read.ts)');
  });

  it('disrupts a post where there is nothing but the language and TextEncoder', async () => {
    const contents = `
      import { applyDisruption, parseStrategy, planDisruptions, presenceOf } from './src/index.ts';
      const image = { width: 2, height: 1, data: new Uint8Array([9, 9, 9, 9, 9, 9]) };
      const post = { id: '2', image, text: 'what a fine day', label: 1 };
      const [entry] = planDisruptions([presenceOf(post)], parseStrategy('fixed:text:C'), 7);
      globalThis.result = applyDisruption(post, entry).text;`;
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folderOf('@drf/disruption') },
      bundle: true,
      write: false,
      platform: 'browser',
      format: 'iife',
      conditions: ['source'],
    });
    const page = createContext({ TextEncoder });
    runInContext(outputFiles[0]?.text ?? '', page);
    expect(page.result).toMatch(/\[MASK\]/);
    expect(page.process).toBeUndefined();
  });
});

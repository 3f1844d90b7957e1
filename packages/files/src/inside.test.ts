import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError } from '@drf/tensor';
import { assertLinksStayInside, resolveInside } from './index.js';

let base: string;
let root: string;

beforeAll(async () => {
  base = await realpath(await mkdtemp(join(tmpdir(), 'drf-inside-')));
  root = join(base, 'posts');
  await mkdir(join(root, 'images'), { recursive: true });
  await mkdir(join(base, 'posts-secret'));
  await mkdir(join(base, 'elsewhere'));
  await writeFile(join(root, 'images', '1.jpg'), '');
  await writeFile(join(base, 'elsewhere', 'secret'), '');
  await symlink(join(base, 'elsewhere'), join(root, 'way-out'));
  await symlink(join(base, 'elsewhere', 'secret'), join(root, 'file-out'));
  await symlink('../../elsewhere/secret', join(root, 'images', 'relative-out'));
  await symlink(join(base, 'elsewhere', 'not-yet'), join(root, 'broken-out'));
  await symlink(join(root, 'loop-b'), join(root, 'loop-a'));
  await symlink(join(root, 'loop-a'), join(root, 'loop-b'));
  await symlink(join(root, 'images'), join(root, 'way-in'));
  await symlink(root, join(base, 'alias'));
});
afterAll(() => rm(base, { recursive: true, force: true }));

describe('resolveInside', () => {
  it.each([
    ['images/1.jpg', 'images/1.jpg'],
    ['./images//../images/1.jpg', 'images/1.jpg'],
    ['way-in/1.jpg', 'images/1.jpg'],
    ['images/not-there.jpg', 'images/not-there.jpg'],
    ['no/such/folder/1.jpg', 'no/such/folder/1.jpg'],
    ['way-in/new/2.jpg', 'images/new/2.jpg'],
    ['..image.jpg', '..image.jpg'],
    ['...', '...'],
    ['a b ü😀.jpg', 'a b ü😀.jpg'],
  ])('resolves %s', async (path, real) => {
    expect(await resolveInside(root, path)).toBe(join(root, real));
  });

  it('takes an absolute path that stays inside, through the name that the user gave too', async () => {
    expect(await resolveInside(root, join(root, 'images/1.jpg'))).toBe(join(root, 'images/1.jpg'));
    const alias = join(base, 'alias');
    expect(await resolveInside(alias, 'images/1.jpg')).toBe(join(root, 'images/1.jpg'));
    expect(await resolveInside(alias, join(alias, 'images/1.jpg'))).toBe(join(root, 'images/1.jpg'));
  });

  it('takes a root that does not exist yet', async () => {
    expect(await resolveInside(join(base, 'later'), 'a.jpg')).toBe(join(base, 'later', 'a.jpg'));
    await expect(resolveInside(join(base, 'later'), '../a.jpg')).rejects.toThrow(DataError);
  });

  it.each([
    ['..'],
    ['../elsewhere/secret'],
    ['images/../../elsewhere/secret'],
    ['images/../../../../../../../../etc/passwd'],
    ['../posts-secret/a'],
    ['../posts/../elsewhere/secret'],
    ['/etc/passwd'],
    ['/'],
    ['images/1.jpg\0.png'],
    ['\0'],
    ['way-out/secret'],
    ['way-out/not-yet'],
    ['way-out'],
    ['file-out'],
    ['images/relative-out'],
    ['broken-out'],
    ['broken-out/below'],
    ['loop-a'],
    ['loop-a/below'],
  ])('refuses %j', async (path) => {
    const error = await resolveInside(root, path).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      `Path ${JSON.stringify(path)} expected a path inside ${root}, received one that leads outside; ` +
        'name a file below that folder, or choose another root',
    );
  });

  it('refuses a path longer than any, and does not repeat it whole', async () => {
    const error = await resolveInside(root, 'a/'.repeat(500_000)).catch((caught: unknown) => caught as Error);
    expect(error).toBeInstanceOf(DataError);
    expect((error as Error).message).toBe(
      `Path "${'a/'.repeat(30)}…" expected at most 4096 characters, received 1000000; give the path of a file`,
    );
  });
});

describe('assertLinksStayInside', () => {
  it('passes a folder whose links stay inside, and names the first that leads out or nowhere', async () => {
    const folder = join(base, 'a-run');
    await mkdir(join(folder, 'eval', 'test'), { recursive: true });
    await writeFile(join(folder, 'best.json'), '');
    await symlink('../best.json', join(folder, 'eval', 'inside'));
    await assertLinksStayInside(folder);
    await symlink(folder, join(base, 'way-to-the-run'));
    await assertLinksStayInside(join(base, 'way-to-the-run')); // that one the user named

    const out = join(folder, 'eval', 'test', 'report.html');
    await symlink(join(base, 'elsewhere', 'secret'), out);
    await expect(assertLinksStayInside(folder)).rejects.toThrow(
      `Folder ${folder} expected links that stay inside it, received ${join('eval', 'test', 'report.html')}, which leads to ${join(base, 'elsewhere', 'secret')}; remove the link`,
    );
    await rm(out);
    await symlink('nothing', out);
    await expect(assertLinksStayInside(folder)).rejects.toThrow(/report.html, which leads nowhere/);
    await rm(out);
    await symlink('../../elsewhere', join(folder, 'eval', 'all'));
    await expect(assertLinksStayInside(folder)).rejects.toThrow(DataError);
  });
});

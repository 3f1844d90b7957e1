import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readExamples } from './examples.js';
import { openService } from './testing/service.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drf-examples-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const post = (id: string, image: string | null) => ({ id, text: null, image, label: 'good' });

/** A run's folder with examples. */
async function runWith(name: string, examples: unknown, config: object = {}): Promise<string> {
  const run = join(folder, name);
  await mkdir(join(run, 'examples'), { recursive: true });
  await writeFile(join(run, 'config.json'), JSON.stringify({ config }));
  await writeFile(join(run, 'examples/examples.json'), typeof examples === 'string' ? examples : JSON.stringify(examples)); // prettier-ignore
  await writeFile(join(run, 'examples/0.jpg'), 'pixels');
  return run;
}

const examples = { format: 'drf-examples-1', split: 'test', posts: [post('a', '0.jpg'), post('b', null)] };

describe('readExamples', () => {
  it('reads texts and images, and whose posts the page’s own are like', async () => {
    const run = await runWith('own', examples, { dataset: { name: 'posts' } });
    const posts = [post('a', Buffer.from('pixels').toString('base64')), post('b', null)];
    expect(await readExamples(run)).toEqual({ builtIn: false, posts });
    expect(await readExamples(relative(process.cwd(), run))).toEqual({ builtIn: false, posts });
    const embedded = await runWith('embedded', 'nothing', { dataset: { name: 'embedded' } });
    expect(await readExamples(embedded)).toEqual({ builtIn: true, posts: [] });
    const exported = join(folder, 'exported');
    await mkdir(exported);
    await writeFile(join(exported, 'card.json'), JSON.stringify({ dataset: 'embedded' }));
    expect(await readExamples(exported)).toEqual({ builtIn: true, posts: [] });
  });

  it.each([
    ['of another format', { ...examples, format: 'drf-examples-9' }],
    ['that is torn', '{"format":'],
    ['with a path that leads elsewhere', { ...examples, posts: [post('a', '../config.json')] }],
    ['without labels', { ...examples, posts: [{ id: 'a', text: '', image: null }] }],
    ['of another kind', 'null'],
  ])('takes a file %s for none', async (name, content) => {
    expect(await readExamples(await runWith(name, content))).toEqual({ builtIn: false, posts: [] });
  });

  it('leaves out posts whose image is gone, or a link to elsewhere', async () => {
    const run = await runWith('links', {
      ...examples,
      posts: [post('a', '7.jpg'), post('b', '8.jpg'), post('c', null)],
    });
    await writeFile(join(folder, 'secret'), 'secret');
    await symlink(join(folder, 'secret'), join(run, 'examples/8.jpg'));
    expect(await readExamples(run)).toEqual({ builtIn: false, posts: [post('c', null)] });
  });
});

describe('GET /v1/examples', () => {
  it('answers them to those who have the token, and none where there are none', async () => {
    const answer = { builtIn: false, posts: [post('a', null)] };
    const app = await openService({ examples: answer, token: 'a-long-token-of-this-test' });
    expect((await app.inject({ url: '/v1/examples' })).statusCode).toBe(401);
    const headers = { authorization: 'Bearer a-long-token-of-this-test' };
    const response = await app.inject({ url: '/v1/examples', headers });
    expect([response.statusCode, response.json()]).toEqual([200, answer]);
    const bare = await openService();
    expect((await bare.inject({ url: '/v1/examples' })).json()).toEqual({ builtIn: false, posts: [] });
  });
});

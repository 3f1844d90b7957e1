import { crc32 } from 'node:zlib';
import { decodeImage } from '@drf/preprocessing';
import type { Judgment } from '@drf/judge';
import { DataError } from '@drf/tensor';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { answerSchema, batchAnswerSchema, problemSchema, type Problem } from './schemas.js';
import { answerOf, instantJudge, judgmentOf, openService } from './testing/service.js';

let png: Buffer;
let jpeg: Buffer;

beforeAll(async () => {
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  const image = sharp({ create: { width: 90, height: 60, channels: 3, background: '#000000', noise } });
  png = await image.clone().png().toBuffer();
  jpeg = await image.clone().jpeg().toBuffer();
});

async function pixels(bytes: Uint8Array) {
  return decodeImage('test', bytes, { width: 8, height: 8, fit: 'stretch', maximumPixels: 1e6 });
}

type Sent = { readonly payload?: string | Buffer; readonly headers?: Record<string, string> };

async function post(sent: Sent, options: Parameters<typeof openService>[0] = {}, url = '/v1/predict') {
  const app = await openService(options);
  return app.inject({ method: 'POST', url, ...sent });
}

const json = (value: unknown): Sent => ({
  payload: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});

function form(parts: readonly (readonly [name: string, value: string | Buffer, filename?: string])[]): Sent {
  const chunks = parts.flatMap(([name, value, filename]) => [
    Buffer.from(
      `--b\r\ncontent-disposition: form-data; name="${name}"${filename === undefined ? '' : `; filename="${filename}"`}\r\n\r\n`,
    ),
    Buffer.from(value as string),
    Buffer.from('\r\n'),
  ]);
  const payload = Buffer.concat([...chunks, Buffer.from('--b--\r\n')]);
  return { payload, headers: { 'content-type': 'multipart/form-data; boundary=b' } };
}

describe('POST /v1/predict', () => {
  it('judges a text, an image, and both, as the judge itself does', async () => {
    const image = await pixels(png);
    const base64 = png.toString('base64');
    for (const [sent, content] of [
      [{ text: 'ein Tag 😀' }, { text: 'ein Tag 😀', image: null }],
      [{ image: base64 }, { text: null, image }],
      [
        { image: `data:image/png;base64,${base64}`, text: null },
        { text: null, image },
      ],
      [
        { image: base64, text: ' ' },
        { text: null, image },
      ],
      [
        { image: base64, text: 'both' },
        { text: 'both', image },
      ],
    ] as const) {
      const response = await post(json(sent));
      expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
      expect(answerSchema.parse(response.json())).toEqual(answerOf(content));
    }
  });

  it('judges a form', async () => {
    const response = await post(form([['image', jpeg, 'cat.jpg'], ['text', 'Grüße']])); // prettier-ignore
    expect(response.json()).toEqual(answerOf({ image: await pixels(jpeg), text: 'Grüße' }));
    const alone = await post(form([['text', 'alone']]));
    expect(alone.json()).toEqual(answerOf({ image: null, text: 'alone' }));
  });

  it.each([
    ['a file that was not chosen', (): Sent => form([['text', 'alone'], ['image', '', '']])],
    ['a file of no bytes', (): Sent => form([['image', '', 'a.png'], ['text', 'alone']])],
    ['a field of no bytes', (): Sent => form([['text', 'alone'], ['image', '']])],
    ['an empty string', (): Sent => json({ text: 'alone', image: '' })],
    ['an empty data URL', (): Sent => json({ text: 'alone', image: 'data:image/png;base64,' })],
  ] as const)('takes %s for no image', async (_, sent) => {
    const response = await post(sent());
    expect(response.json()).toEqual(answerOf({ image: null, text: 'alone' }));
  }); // prettier-ignore

  it.each([
    ['\r\n', 76],
    ['\n', 64],
    [' \t', 5],
  ])('reads base64 that is broken by %j every %i characters', async (ending, length) => {
    const lines = png.toString('base64').match(new RegExp(`.{1,${length}}`, 'g')) ?? [];
    for (const image of [lines.join(ending), `data:image/png;base64,${lines.join(ending)}${ending}`]) {
      expect((await post(json({ image }))).json()).toEqual(answerOf({ image: await pixels(png), text: null }));
    }
  });

  it.each(['gzip', 'deflate', 'br', 'identity, gzip', 'x-custom'])(
    'refuses a body of encoding %s',
    async (encoding) => {
      for (const url of ['/v1/predict', '/v1/predict/batch']) {
        const { payload, headers } = json({ text: 'a' });
        const response = await post({ payload, headers: { ...headers, 'content-encoding': encoding } }, {}, url);
        expect([response.statusCode, response.headers['accept-encoding']]).toEqual([415, 'identity']);
        expect(problemSchema.parse(response.json()).detail).toBe(
          `The request expected a body as it is, received Content-Encoding: "${encoding}"; send it without compression; images are compressed already`,
        );
      }
    },
  );

  it('takes the encoding that is none', async () => {
    const { payload, headers } = json({ text: 'a' });
    const response = await post({ payload, headers: { ...headers, 'content-encoding': 'Identity' } });
    expect(response.statusCode).toBe(200);
  });

  it('says what cannot be judged, and judges on', async () => {
    const nan = judgmentOf({ image: null, text: 'a' });
    let answer: () => Promise<Judgment> = async () => ({ ...nan, probabilities: { positive: NaN, negative: NaN } });
    const app = await openService({ judge: { ...instantJudge, judge: () => answer() } });
    const ask = () => app.inject({ method: 'POST', url: '/v1/predict', payload: { text: 'a' } });
    expect([(await ask()).statusCode, (await ask()).json<Problem>().detail]).toEqual([
      422,
      'The post: the judge expected finite probabilities, received NaN; leave out the image or the text, whichever it cannot read',
    ]);
    answer = async () => {
      throw new DataError({ subject: 'its image', expected: 'finite features', received: 'NaN' });
    };
    const batch = await app.inject({ method: 'POST', url: '/v1/predict/batch', payload: { posts: [{ text: 'a' }] } });
    expect(batchAnswerSchema.parse(batch.json()).answers).toMatchObject([
      { problem: { status: 422, code: 'unjudgeable', detail: 'posts[0]: its image expected finite features, received NaN' } },
    ]);
    expect((await app.inject({ url: '/readyz' })).statusCode).toBe(200);
  }); // prettier-ignore

  const cases: readonly (readonly [name: string, sent: () => Sent, status: number, code: string, detail: RegExp])[] = [
    ['no body', () => ({}), 400, 'empty-body', /^The body expected a post as JSON or as a form, received nothing; send/],
    ['an empty body', () => ({ payload: '', headers: { 'content-type': 'application/json' } }), 400, 'empty-body', /^The body expected a post/],
    ['broken JSON', () => ({ payload: '{"text":', headers: { 'content-type': 'application/json' } }), 400, 'bad-json', /^The body expected valid JSON in UTF-8, received "Unexpected end of JSON input"; check how it is made$/],
    ['bytes that are not UTF-8', () => ({ payload: Buffer.from('7b2274657874223a22ff227d', 'hex'), headers: { 'content-type': 'application/json' } }), 400, 'bad-json', /received bytes that are not UTF-8/],
    ['__proto__', () => ({ payload: '{"text":"a","__proto__":{"x":1}}', headers: { 'content-type': 'application/json' } }), 400, 'bad-json', /received "Object contains forbidden prototype property"/],
    ['another type', () => ({ payload: 'text=a', headers: { 'content-type': 'application/x-www-form-urlencoded' } }), 415, 'unsupported-media-type', /^The request expected a body of type application\/json or multipart\/form-data, received "application\/x-www-form-urlencoded"; set the header Content-Type$/],
    ['plain text', () => ({ payload: 'a', headers: { 'content-type': 'text/plain' } }), 415, 'unsupported-media-type', /received "text\/plain"/],
    ['a list', () => json([1]), 422, 'bad-post', /^The post expected a JSON object, received a list; see \/openapi.json$/],
    ['null', () => json(null), 422, 'bad-post', /received null/],
    ['an unknown field', () => json({ text: 'a', url: 'http://127.0.0.1/' }), 422, 'bad-post', /^The post expected no other fields than those of \/openapi.json, received "url"; leave it out$/],
    ['many unknown fields', () => json(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`${i}`.padEnd(100, 'x'), 1]))), 422, 'bad-post', /^.{100,200} and 4999 more; leave it out$/],
    ['a text that is a number', () => json({ text: 3 }), 422, 'bad-post', /^The post, text expected a string, received a value of type number/],
    ['deep nesting', () => ({ payload: `{"text":${'['.repeat(20_000)}${']'.repeat(20_000)}}`, headers: { 'content-type': 'application/json' } }), 422, 'bad-post', /^The post, text expected a string, received a list/],
    ['millions of values', () => ({ payload: `{"text":${'['.repeat(5_000_000)}${']'.repeat(5_000_000)}}`, headers: { 'content-type': 'application/json' } }), 422, 'bad-post', /^The body expected a post or a batch: at most 100000 brackets, colons and commas outside of texts, received more/],
    ['nothing', () => json({}), 422, 'bad-post', /^The post expected text or an image, or both, received neither; give one of them$/],
    ['white space', () => json({ text: ' \n' }), 422, 'bad-post', /received neither/],
    ['ten megabytes of text', () => json({ text: 'a'.repeat(10_000_000) }), 422, 'text-too-long', /^The post, text expected at most 10000 characters, received 10000000; shorten the text$/],
    ['NUL', () => json({ text: 'a\0b' }), 422, 'bad-post', /^The post, text expected Unicode text without NUL .*, received U\+0000 at character 1; remove it$/],
    ['half a surrogate pair', () => ({ payload: '{"text":"ab\\ud800"}', headers: { 'content-type': 'application/json' } }), 422, 'bad-post', /received U\+D800 at character 2/],
    ['a path', () => json({ image: '/etc/passwd' }), 422, 'bad-image', /^The post, image expected the bytes of an image in base64 .*, received "\/etc\/passwd"; encode the file itself; paths and addresses are never read$/],
    ['a path that could be base64', () => json({ image: '/etc/ssl/key' }), 422, 'bad-image', /^The post, image expected an image \(JPEG, .*\), received 9 bytes of something else/],
    ['nine megabytes of base64 that is no image', () => json({ image: 'A'.repeat(12_000_000) }), 422, 'bad-image', /received 9000000 bytes of something else/],
    ['an address', () => json({ image: 'http://127.0.0.1/cat.png' }), 422, 'bad-image', /paths and addresses are never read/],
    ['a data URL of a million parameters', () => json({ image: `data:${';a'.repeat(5_000_000)}` }), 422, 'bad-image', /in base64/],
    ['base64 without padding', () => json({ image: 'iVBORw0KGgo' }), 422, 'bad-image', /in base64 \(with \+ and \/, and with padding\)/],
    ['base64 for addresses', () => json({ image: 'iVBORw0K-_8=' }), 422, 'bad-image', /in base64 \(with \+ and \/, and with padding\)/],
    ['an empty image', () => json({ image: '' }), 422, 'bad-post', /received neither/],
    ['an image of line breaks', () => json({ image: '\r\n' }), 422, 'bad-post', /received neither/],
    ['a data URL without bytes', () => json({ image: 'data:image/png;base64,' }), 422, 'bad-post', /received neither/],
    ['a form without a chosen file and without text', () => form([['text', ' '], ['image', '', '']]), 422, 'bad-post', /received neither/],
    ['a data URL of text', () => json({ image: `data:text/html;base64,${png.toString('base64')}` }), 422, 'bad-image', /in base64/],
    ['a cut-off JPEG', () => json({ image: jpeg.subarray(0, jpeg.length / 2).toString('base64') }), 422, 'bad-image', /^The post, image expected a whole image that decodes, received .*; send a whole image/],
    ['a cut-off JPEG in a form', () => form([['image', jpeg.subarray(0, jpeg.length / 2), 'a.jpg']]), 422, 'bad-image', /expected a whole image that decodes/],
    ['SVG', () => json({ image: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>').toString('base64') }), 422, 'bad-image', /expected an image \(JPEG, PNG, GIF, WebP, TIFF, AVIF\/HEIF\), received 80 bytes of something else/],
    ['an image of 50,000 × 50,000', () => json({ image: hugePng(png).toString('base64') }), 422, 'image-too-large', /^The post, image expected at most 40000000 pixels, received more, as its header says; shrink the image$/],
    ['a body over the limit', () => json({ text: 'a'.repeat(13 * 2 ** 20) }), 413, 'body-too-large', /^The body expected at most 12582912 bytes, received 136\d+ bytes; shrink the image/],
    ['a form without end', () => ({ payload: '--b\r\ncontent-disposition: form-data; name="text"\r\n\r\nhalf', headers: { 'content-type': 'multipart/form-data; boundary=b' } }), 400, 'bad-multipart', /^The form expected a whole multipart\/form-data body/],
    ['a form without boundary', () => ({ payload: 'a', headers: { 'content-type': 'multipart/form-data' } }), 400, 'bad-multipart', /Boundary not found/],
    ['a form with a foreign field', () => form([['text', 'a'], ['url', 'x']]), 422, 'bad-post', /received "url"/],
    ['a form with a field twice', () => form([['text', 'a'], ['text', 'b']]), 422, 'bad-post', /^The form expected each field once, received "text" twice/],
    ['a form of many parts', () => form([['text', 'a'], ['image', png, 'a.png'], ['more', 'c']]), 422, 'bad-post', /at most one field "text" and one file "image", received more parts/],
    ['a form with bytes that are not UTF-8', () => form([['text', Buffer.from([0xff])]]), 400, 'bad-multipart', /a text that is not UTF-8/],
    ['a form with __proto__', () => form([['__proto__', 'a']]), 422, 'bad-post', /the fields "text" and "image"/],
    ['an empty form', () => form([]), 422, 'bad-post', /received neither/],
  ]; // prettier-ignore

  it.each(cases)('refuses %s', async (_, sent, status, code, detail) => {
    const response = await post(sent());
    const problem = problemSchema.parse(response.json());
    expect([response.statusCode, problem.status, problem.code]).toEqual([status, status, code]);
    expect(problem.detail).toMatch(detail);
    expect(response.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  });

  it('does not decode an image that is too large', async () => {
    const before = process.memoryUsage().rss;
    await post(json({ image: hugePng(png).toString('base64') }));
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 2 ** 20);
  });
});

/** A small PNG whose header claims 50,000 × 50,000 pixels. */
function hugePng(small: Buffer): Buffer {
  const bytes = Buffer.from(small);
  bytes.writeUInt32BE(50_000, 16);
  bytes.writeUInt32BE(50_000, 20);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

describe('POST /v1/predict/batch', () => {
  it('gives every post its own answer', async () => {
    const posts = [{ text: 'one' }, { txt: 'two' }, { image: '!' }, { image: png.toString('base64') }, 7];
    const response = await post(json({ posts }), {}, '/v1/predict/batch');
    expect(response.statusCode).toBe(200);
    const { answers } = batchAnswerSchema.parse(response.json());
    expect(answers[0]).toEqual({ judgment: judgmentOf({ text: 'one', image: null }) });
    expect(answers[3]).toEqual({ judgment: judgmentOf({ text: null, image: await pixels(png) }) });
    const problems = [1, 2, 4].map((i) => (answers[i] as { readonly problem: Problem }).problem);
    expect(problems.map(({ detail }) => detail.split(' ')[0])).toEqual(['posts[1]', 'posts[2],', 'posts[4]']);
    expect(problems.map(({ code }) => code)).toEqual(['bad-post', 'bad-image', 'bad-post']);
  });

  it.each([
    [{ posts: [] }, /^The batch, posts expected at least 1 post, received none; send posts$/],
    [
      { posts: Array(33).fill({ text: 'a' }) },
      /^The batch, posts expected at most 32 posts, received 33; send several/,
    ],
    [{ posts: {} }, /^The batch, posts expected a list, received a value of type object/],
    [{}, /^The batch, posts expected a list, received nothing/],
  ])('refuses %j', async (batch, detail) => {
    const response = await post(json(batch), {}, '/v1/predict/batch');
    expect([response.statusCode, response.json<Problem>().code]).toEqual([422, 'bad-post']);
    expect(response.json<Problem>().detail).toMatch(detail);
  });

  it('refuses forms', async () => {
    const response = await post(form([['text', 'a']]), {}, '/v1/predict/batch');
    expect(response.statusCode).toBe(415);
  });
});

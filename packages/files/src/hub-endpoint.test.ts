import { expect, it } from 'vitest';
import { parseHubEndpoint } from './index.js';

it.each([
  ['https://huggingface.co/', 'https://huggingface.co', true],
  ['http://127.0.0.1:8080', 'http://127.0.0.1:8080', true],
  ['http://[::1]:8080/hub//', 'http://[::1]:8080/hub', true],
  ['http://mirror.example', 'http://mirror.example', false],
  ['http://localhost.example', 'http://localhost.example', false],
])('%s', (text, endpoint, isPrivate) => {
  expect(parseHubEndpoint(text, 'hub')).toEqual({ endpoint, isPrivate });
});

it.each(['file:///etc', 'huggingface.co', ''])('refuses %j', (text) => {
  expect(() => parseHubEndpoint(text, 'hub')).toThrow('hub expected an address such as https://huggingface.co');
});

it('never shows a password', () => {
  const parse = () => parseHubEndpoint('https://me:secret@hub.example', 'hub');
  expect(parse).toThrow('expected an address without a password, received one with a password (not shown)');
  expect(parse).not.toThrow(/secret/);
});

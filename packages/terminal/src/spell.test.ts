import { expect, it } from 'vitest';
import { spell } from './spell.js';

const INSTALLED = 'file:///home/me/node_modules/@drf/terminal/dist/spell.js';

it('says commands as they are typed in the workspace', () => {
  expect(spell('train quickstart')).toBe('pnpm train quickstart');
  expect(spell('doctor --json')).toBe('pnpm run doctor --json');
  expect(spell('install')).toBe('pnpm install');
});

it('never says pnpm where the packages are installed', () => {
  expect(spell('train quickstart', INSTALLED)).toBe('drf train quickstart');
  expect(spell('doctor', INSTALLED)).toBe('drf doctor');
  expect(spell('install', INSTALLED)).toBe('npm install');
  expect(spell('tensorflow:install --gpu', INSTALLED)).toBe('tensorflow:install --gpu in a clone of the repository');
});

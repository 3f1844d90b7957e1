import { expect, it } from 'vitest';
import { addOwnDefinition, isOwnId, ownDefinition, ownModules } from './index.js';

it('definitions are found by their ids and by their modules, and only once they were added', () => {
  const own = { id: 'only-here@0123456789ab', definition: 1, parseOptions: () => ({}) };
  const refused = `Own method ${own.id} expected its module to be named, received no module that brings it`;
  expect(() => ownDefinition(own.id, 'method')).toThrow(refused);
  addOwnDefinition('./only-here.ts', own);
  expect(ownDefinition(own.id, 'method')).toBe(own);
  expect(ownDefinition('./only-here.ts', 'method')).toBe(own);
  expect(ownModules()).toContain('./only-here.ts');
  expect(['only-here@0123456789ab', 'only-here', 'a/b@0123456789ab', 'only-here@0123'].map(isOwnId)).toEqual([true, false, false, false]); // prettier-ignore
});

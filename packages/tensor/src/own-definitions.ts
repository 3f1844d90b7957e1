import { ConfigurationError } from './errors.js';

/** A method, data set, encoder or disruption that came from a module of the user's own. */
export interface OwnDefinition<Definition = unknown> {
  /** Its name and the begin of its module's SHA-256, "blur@1f0c8a93d2e4": what runs, grids and caches know it by. */
  readonly id: string;
  readonly definition: Definition;
  /** Checks options and fills in their defaults; texts are read as the options' types ask. @throws ConfigurationError */
  readonly parseOptions: (given: Readonly<Record<string, unknown>>) => Record<string, unknown>;
}

const ID = /^[\w.+-]{1,100}@[0-9a-f]{12}$/;

/** Those that were loaded in this process, by their ids and by the modules' names as the user gave them. */
const loaded = new Map<string, OwnDefinition>();

/** Whether a text has the form of an {@link OwnDefinition.id}. */
export function isOwnId(text: string): boolean {
  return ID.test(text);
}

/** Makes a definition known to the process; `loadDefinition` of @drf/files calls it. */
export function addOwnDefinition(spec: string, own: OwnDefinition): void {
  loaded.set(own.id, own).set(spec, own);
}

/** The modules that were loaded, as the user named them: for processes that work for this one. */
export function ownModules(): string[] {
  return [...loaded.keys()].filter((name) => !isOwnId(name));
}

/**
 * A definition that the user's modules brought.
 * @param name its id, or its module as the user named it
 * @param kind for messages: "data set"
 * @throws ConfigurationError with the code "own-definition-needed" when no module that was loaded brings it: what a run
 *   or another file names is never loaded by itself
 */
export function ownDefinition<Definition>(name: string, kind: string): OwnDefinition<Definition> {
  const own = loaded.get(name);
  if (own !== undefined) return own as OwnDefinition<Definition>;
  const stem = name.slice(0, name.lastIndexOf('@') + 1);
  const others = [...loaded.keys()].filter((id) => isOwnId(id) && id.startsWith(stem));
  throw new ConfigurationError({
    subject: `Own ${kind} ${name}`,
    expected: 'its module to be named',
    received: others.length === 0 ? 'no module that brings it' : `${others.join(', ')}, of another content`,
    remedy: 'name it, if you trust its code: --own ./its-module.ts; in code, loadDefinition',
    code: 'own-definition-needed',
  });
}

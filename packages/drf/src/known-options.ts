import { nearestName } from '@drf/terminal';
import { ConfigurationError, refuser } from '@drf/tensor';

/** The names of options, each once: a type with all of them, so that none is forgotten. */
export type OptionNames<Name extends string> = Readonly<Record<Name, true>>;

/**
 * Refuses a misspelled option, which plain JavaScript would pass on to where nobody reads it.
 * @param elsewhere what to do about one that is like none of these
 * @throws ConfigurationError
 */
export function refuseUnknownOptions(
  subject: string,
  options: object,
  known: OptionNames<string>,
  elsewhere = `${subject} takes ${Object.keys(known).join(', ')}`,
): void {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const unknown = given.map(([name]) => name).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  const nearest = nearestName(unknown, Object.keys(known));
  const remedy = nearest === undefined ? elsewhere : `did you mean "${nearest}"?`;
  throw refuser(ConfigurationError, subject)('known options', JSON.stringify(unknown), remedy);
}

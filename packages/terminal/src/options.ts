import { InvalidArgumentError } from 'commander';
import { distance } from 'fastest-levenshtein';

/**
 * The nearest of the right names, if it is near enough to be what was meant: also one of which only the part behind the
 * last colon was given ("cuda" for "compiled:cuda").
 */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const whole = names.find((candidate) => candidate.toLowerCase().endsWith(`:${name.toLowerCase()}`));
  if (whole !== undefined) return whole;
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of names) {
    const candidateDistance = distance(name.toLowerCase(), candidate.toLowerCase());
    if (candidateDistance < bestDistance) [best, bestDistance] = [candidate, candidateDistance];
  }
  return bestDistance <= Math.max(2, Math.floor(name.length / 2)) ? best : undefined;
}

/** "; did you mean "epochs"?" or, when nothing is near, the list of right names. */
export function suggestion(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  return nearest === undefined ? `choose one of ${names.join(', ')}` : `did you mean "${nearest}"?`;
}

/** A commander parser of an option that may be given several times. */
export function collect(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}

/** A commander parser of whole numbers in a range. */
export function wholeNumber(minimum = 0, maximum = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isInteger(value) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`expected a whole number from ${minimum} to ${maximum}, received "${text}"`);
    }
    return value;
  };
}

/** A commander parser of finite numbers in a range. */
export function finiteNumber(minimum = -Infinity, maximum = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value < minimum || value > maximum) {
      throw new InvalidArgumentError(`expected a number from ${minimum} to ${maximum}, received "${text}"`);
    }
    return value;
  };
}

/** A commander parser of one of several names, which suggests the nearest. */
export function oneOf<const Name extends string>(names: readonly Name[]): (text: string) => Name {
  return (text) => {
    if ((names as readonly string[]).includes(text)) return text as Name;
    throw new InvalidArgumentError(`"${text}" is unknown; ${suggestion(text, names)}`);
  };
}

/** "a=b,c=d" as an object; nothing for anything else. Spaces around names and values do not count. */
export function namedValues(text: string): Readonly<Record<string, string>> | undefined {
  const values = new Map<string, string>();
  for (const part of text.split(',')) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(part)?.map((piece) => piece.trim()) ?? [];
    if (name === '' || values.has(name)) return undefined;
    values.set(name, value);
  }
  return Object.fromEntries(values);
}

/**
 * A commander parser of values for names, such as `--columns text=tweet,image=photo`; an empty value is one, too.
 * @param names those that may be given
 * @param example for the message that refuses others
 */
export function valuesByName<const Name extends string>(
  names: readonly Name[],
  example: string,
): (text: string) => Readonly<Partial<Record<Name, string>>> {
  return (text) => {
    const values = namedValues(text);
    const wrong = Object.keys(values ?? {}).find((name) => !(names as readonly string[]).includes(name));
    if (values !== undefined && wrong === undefined) return values as Readonly<Partial<Record<Name, string>>>;
    const which = wrong === undefined ? '' : ` ("${wrong}": ${suggestion(wrong, names)})`;
    throw new InvalidArgumentError(`expected such as ${example} (of ${names.join(', ')}), received "${text}"${which}`);
  };
}

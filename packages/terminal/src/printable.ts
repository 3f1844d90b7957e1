/**
 * What a terminal would obey or hide instead of showing: control characters, marks that turn the direction of writing,
 * other ends of lines, and halves of characters.
 */
const UNSAFE = /\r\n|[\p{Cc}\p{Bidi_Control}\u2028\u2029\ufeff\p{Surrogate}]/gu;

/** What of it stands between lines and columns. */
const LAYOUT: readonly string[] = ['\n', '\t', '\r\n'];

/**
 * A text whose control characters are shown as `\u001b`, so that class names, column names, file names and whatever else
 * comes from data cannot move the cursor, rename the window or turn the order of characters.
 * @param layout whether ends of lines and tabs may stay (default), which they may not in a cell
 */
export function printable(text: string, { layout = true }: { readonly layout?: boolean } = {}): string {
  const escape = (found: string): string => {
    if (layout && LAYOUT.includes(found)) return found;
    return Array.from(found, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
  };
  return text.replaceAll(UNSAFE, escape);
}

type Write = NodeJS.WriteStream['write'];

/** A guarded stream's own `write`. */
const ownWrites = new WeakMap<NodeJS.WriteStream, { readonly own: Write; readonly guarded: Write }>();

/**
 * Sends every text that the process prints to the stream through {@link printable}, whoever prints it. (In JSON the
 * escapes mean the same characters.) Bytes pass as they are.
 */
export function guard(stream: NodeJS.WriteStream): void {
  if (ownWrites.get(stream)?.guarded === stream.write) return;
  const own = stream.write;
  const guarded: Write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean =>
    Reflect.apply(own, stream, [typeof chunk === 'string' ? printable(chunk) : chunk, ...rest]) as boolean;
  stream.write = guarded;
  ownWrites.set(stream, { own, guarded });
}

/** The stream for what moves the cursor itself. Whatever text goes there from data has to pass {@link printable}. */
export function cursorStream(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const found = ownWrites.get(stream);
  if (found?.guarded !== stream.write) return stream;
  return Object.create(stream, { write: { value: found.own.bind(stream) } }) as NodeJS.WriteStream;
}

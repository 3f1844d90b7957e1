import { readFile } from 'node:fs/promises';
import { format } from 'node:util';
import ts from 'typescript';

/** Runs a function body with `await` in it. */
const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor as new (
  ...parts: string[]
) => (...values: unknown[]) => Promise<void>;

/**
 * Runs a README's first TypeScript example, for tests that keep READMEs true.
 * @param modules what the example imports, by name; it can import nothing else
 * @returns what the example prints, and the text block after it, which shows what it prints
 */
export async function runReadmeExample(
  readme: URL,
  modules: Readonly<Record<string, unknown>>,
): Promise<{ readonly printed: string; readonly shown: string }> {
  const text = await readFile(readme, 'utf8');
  const [, code = '', shown = ''] = /```ts\n([\s\S]*?)```[\s\S]*?```text\n([\s\S]*?)```/.exec(text) ?? [];
  const { outputText } = ts.transpileModule(code, {
    compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022, esModuleInterop: false },
  });
  let printed = '';
  const print = { log: (...values: unknown[]) => void (printed += `${format(...values)}\n`) };
  const load = (name: string): unknown => {
    if (name in modules) return modules[name];
    throw new Error(`The example of ${readme.pathname} imports ${name}, which its test does not give it`);
  };
  await new AsyncFunction('require', 'exports', 'console', outputText)(load, {}, print);
  return { printed, shown };
}

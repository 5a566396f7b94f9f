/** Running the example of a README, so that it stays true. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileFunction } from 'node:vm';
import ts from 'typescript';

/**
 * Runs the first TypeScript example of `folder`/README.md. What it imports by name is looked up in `names`; a name that is
 * not there is an error. Gives back what the example logs with `console.log`, one entry a call.
 */
export async function runReadmeExample(folder: string, names: Readonly<Record<string, unknown>>): Promise<unknown[][]> {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  if (code === undefined) throw new Error(`${folder}/README.md has no example`);
  const wanted = [...code.matchAll(/^import \{([^}]*)\} from '[^']+';$/gm)].flatMap((match) =>
    (match[1] ?? '').split(',').map((name) => name.trim()),
  );
  for (const name of wanted) if (!Object.hasOwn(names, name)) throw new Error(`The test does not hand in '${name}'`);
  const body = code.replace(/^import .*$/gm, '');
  const { outputText } = ts.transpileModule(`async function example() {\n${body}\n}`, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.None },
  });
  const logged: unknown[][] = [];
  const given = { ...names, console: { log: (...values: unknown[]) => logged.push(values) } };
  const make = compileFunction(`${outputText}\nreturn example;`, Object.keys(given)) as (...values: unknown[]) => () => Promise<void>;
  await make(...Object.values(given))();
  return logged;
}

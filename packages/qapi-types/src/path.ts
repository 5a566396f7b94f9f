/** Where in a value the validator stands; a name is built only when an error wants it. */

/** One step down from `parent`; undefined is the value itself. */
export type Path = { readonly parent: Path; readonly step: string | number } | undefined;

/** The whole way, as QEMU prints it: `file.children[1].filename`, on a command line `file.children.1.filename`. */
export function fullName(path: Path, keyval: boolean): string {
  const steps: (string | number)[] = [];
  for (let at = path; at !== undefined; at = at.parent) steps.push(at.step);
  return steps.reduceRight<string>((name, step) => {
    if (typeof step === 'number' && !keyval) return `${name}[${step}]`;
    return name === '' ? String(step) : `${name}.${step}`;
  }, '');
}

/** The last step alone. QEMU has no name for an element of a list and prints `null`. */
export function lastName(path: Path): string {
  return typeof path?.step === 'string' ? path.step : 'null';
}

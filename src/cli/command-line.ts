/** The whole number of an option. Throws a sentence that names the option. */
export function wholeNumber(option: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) throw new Error(`${option} must be a whole number from 1 up.`);
  return number;
}

/** The value of an option that has these choices. Throws a sentence that names the option. */
export function oneOf<const Choice extends string>(
  option: string,
  value: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((each) => each === value);
  if (!choice) throw new Error(`${option} must be one of ${choices.join(', ')}.`);
  return choice;
}

/** Ends the process with a sentence when the command failed. */
export function runCommand(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}

/** The caller's words are off; the message is a sentence that names the option and what is allowed. */
export class UsageError extends Error {}

/** The whole number of an option. Throws a sentence that names the option. */
export function wholeNumber(option: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1)
    throw new UsageError(`${option} must be a whole number from 1 up.`);
  return number;
}

/** The value of an option that has these choices. Throws a sentence that names the option. */
export function oneOf<const Choice extends string>(
  option: string,
  value: string,
  choices: readonly Choice[],
): Choice {
  const choice = choices.find((each) => each === value);
  if (!choice) throw new UsageError(`${option} must be one of ${choices.join(', ')}.`);
  return choice;
}

/** Ends the process with a sentence when the command failed: exit code 2 for wrong options, 1 for anything else. */
export function runCommand(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = error instanceof UsageError || isParseArgsError(error) ? 2 : 1;
  });
}

function isParseArgsError(error: unknown): boolean {
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_');
}

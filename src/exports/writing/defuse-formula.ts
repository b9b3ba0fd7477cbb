/** What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection"), also in its full-width forms. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * The text with an apostrophe before it when a spreadsheet would run it, else unchanged. For text columns only: a number
 * stays a number.
 */
export function defuseFormula(text: string | null): string | null {
  return text !== null && FORMULA.test(text) ? `'${text}` : text;
}

/** Writes an answer to standard output, as text or as JSON. */
export function printAnswer(answer: unknown, json: boolean, text: () => string): void {
  process.stdout.write(`${json ? JSON.stringify(answer, undefined, 2) : text()}\n`)
}

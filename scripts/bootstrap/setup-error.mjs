/** The machine could not be made ready. The text is complete: what failed, what was tried, what to do. Shown without a stack. */
export class SetupError extends Error {
  /**
   * @param {string} problem what failed
   * @param {{ tried?: string, advice: string, output?: string }} details the command that was tried, what to do now, and what the command printed
   */
  constructor(problem, { tried, advice, output }) {
    const lines = [problem]
    if (tried !== undefined) lines.push(`  tried: ${tried}`)
    const printed = (output ?? '').trim()
    if (printed !== '') lines.push(...printed.split('\n').map((line) => `  | ${line}`))
    lines.push(`  what to do: ${advice}`)
    super(lines.join('\n'))
    this.name = 'SetupError'
  }
}

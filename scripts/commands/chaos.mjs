import { parseArgs } from 'node:util'

const HELP = `npm run test:chaos -- [--runs 20] [--seed 1]

  --runs  how many runs; each publishes 2,000 tasks and kills workers at random moments
  --seed  seed of the first run; each further run takes the next number`

/**
 * What a chaos run is set by, from its command line.
 *
 * @param {readonly string[]} args
 * @returns {{ environment: Record<string, string> } | { usage: string }} environment of the test, or what is wrong with it
 */
export function chaosSettings(args) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { runs: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
    })
    const wrong = Object.entries(values).find(([, value]) => !/^[1-9]\d{0,8}$/.test(value))
    if (wrong !== undefined) return usage(`--${wrong[0]} is '${wrong[1]}'; it must be a whole number from 1 up.`)
    return { environment: { CHAOS_RUNS: values.runs, CHAOS_SEED: values.seed } }
  } catch (error) {
    return usage(error.message)
  }
}

function usage(problem) {
  return { usage: `${problem}\n\n${HELP}\n` }
}

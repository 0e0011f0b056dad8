import { parseArgs } from 'node:util'

const HELP = `npm run test:chaos -- [--runs 20] [--seed 1]
npm run test:chaos -- --database-down 60s

  --runs           how many runs; each publishes 2,000 tasks and kills workers at random moments
  --seed           seed of the first run; each further run takes the next number
  --database-down  instead: kills the database under load, and brings it back after so many seconds or minutes`

const UNIT_MS = { s: 1_000, m: 60_000 }

/**
 * What a chaos run is, from its command line.
 *
 * @param {readonly string[]} args
 * @returns {{ project: 'e2e' | 'integration', args: readonly string[], environment: Record<string, string> } | { usage: string }}
 *   tests with their environment, or what is wrong with the command line
 */
export function chaosSettings(args) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: { runs: { type: 'string' }, seed: { type: 'string' }, 'database-down': { type: 'string' } },
    })
    const { 'database-down': downFor, ...numbers } = values
    if (downFor !== undefined) return outage(downFor, numbers)
    const wrong = Object.entries(numbers).find(([, value]) => !/^[1-9]\d{0,8}$/.test(value))
    if (wrong !== undefined) return usage(`--${wrong[0]} is '${wrong[1]}'; it must be a whole number from 1 up.`)
    const { runs = '20', seed = '1' } = numbers
    return {
      project: 'e2e',
      args: ['test/e2e/chaos.test.ts'],
      environment: { CHAOS_RUNS: runs, CHAOS_SEED: seed },
    }
  } catch (error) {
    return usage(error.message)
  }
}

function outage(downFor, others) {
  const [, count, unit] = /^([1-9]\d{0,3})([sm])$/.exec(downFor) ?? []
  if (unit === undefined) return usage(`--database-down is '${downFor}'; it must be a time such as 60s or 5m.`)
  if (Object.keys(others).length > 0) return usage('--database-down goes without --runs and --seed.')
  return {
    project: 'integration',
    args: ['packages/monitor/test/monitor.integration.test.ts', '-t', 'acks nothing that was not stored'],
    environment: { CHAOS_DATABASE_DOWN_MS: `${Number(count) * UNIT_MS[unit]}` },
  }
}

function usage(problem) {
  return { usage: `${problem}\n\n${HELP}\n` }
}

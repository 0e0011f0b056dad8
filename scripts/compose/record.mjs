import { setTimeout as delay } from 'node:timers/promises'

const FINAL = ['succeeded', 'failed', 'cancelled', 'dead', 'orphaned']

/** How long a container that was killed may keep the others waiting. */
const RECOVERY_MS = 120_000

/**
 * What the monitor of a project says of blocks and tasks, and what is on record.
 *
 * @param {import('./project.mjs').Project} project
 */
export function createRecord(project) {
  let token

  async function api(path) {
    token ??= (await project.exec('monitor', 'cat', '/var/lib/blockmill/operator-token')).trim()
    const { status, body } = await project.get(`/api/v1${path}`, token)
    if (status !== 200) throw new Error(`GET ${path} was answered with ${status}: ${JSON.stringify(body)}`)
    return body
  }

  async function query(sql) {
    const psql = ['psql', '--username=blockmill', '--no-psqlrc', '--tuples-only', '--no-align']
    return JSON.parse(
      await project.exec('postgres', ...psql, '--command', `select json_agg(found) from (${sql}) found`),
    )
  }

  /** The block up to which every task was evaluated without a gap; 0 before the first. */
  async function evaluatedTo() {
    const { coverage } = await api('/coverage')
    return coverage.length === 0 ? 0 : Math.min(...coverage.map(({ evaluated }) => evaluated.ranges[0]?.to ?? 0))
  }

  return {
    api,
    query,
    evaluatedTo,

    /** Waits until the head has moved on by so many blocks, all of them evaluated. */
    async advance(blocks) {
      const target = (await answered(evaluatedTo)) + blocks
      await waitFor(`block ${target} to be evaluated`, async () => (await evaluatedTo()) >= target)
      return target
    },

    /**
     * Waits until every task of the blocks evaluated so far has ended, then compares the record with what must have run: for every
     * block one task of each definition and argument, succeeded, and that once.
     *
     * @returns {Promise<string>} what was found right
     * @throws {Error} naming what is not
     */
    async assertNothingLost() {
      const last = await answered(evaluatedTo)
      const upTo = `block_number <= ${last}`
      const open = `select count(*)::int as count from blockmill.task where ${upTo} and status not in (${FINAL.map((state) => `'${state}'`).join()})`
      await waitFor(`every task up to block ${last} to end`, async () => (await query(open))[0].count === 0)

      const { gaps } = await api('/gaps')
      const missing = gaps.filter((gap) => gap.missing.count > 0 && gap.missing.ranges.some(({ from }) => from <= last))
      if (missing.length > 0) throw new Error(`blocks were not evaluated: ${JSON.stringify(missing)}`)

      const { coverage } = await api('/coverage')
      const expected = coverage.reduce((sum, { startBlock }) => sum + last - startBlock + 1, 0)
      const [found] = await query(`
        select count(*)::int as tasks, count(distinct (name, args_hash, block_number))::int as different,
          count(*) filter (where status = 'succeeded')::int as succeeded,
          count(*) filter (where scheduled_at is null or started_at is null or finished_at is null)::int as incomplete,
          (select count(*)::int from blockmill.task_attempt where outcome = 'succeeded') as earlier_successes
        from blockmill.task where ${upTo}`)
      const { tasks, different, succeeded, incomplete, earlier_successes: twice } = found
      if (tasks === expected && different === expected && succeeded === expected && incomplete === 0 && twice === 0)
        return `${expected} tasks of ${last} blocks, each succeeded once`
      throw new Error(
        `up to block ${last} there must be ${expected} tasks, each succeeded once; on record are ${JSON.stringify(found)}`,
      )
    },
  }
}

/** Polls until it holds. Failures on the way count as no: services are away on purpose. */
export async function waitFor(what, holds, timeoutMs = RECOVERY_MS) {
  const deadline = Date.now() + timeoutMs
  let failure = ''
  while (Date.now() < deadline) {
    try {
      if (await holds()) return
      failure = ''
    } catch (error) {
      failure = `; last: ${error.message}`
    }
    await delay(500)
  }
  throw new Error(`waited ${timeoutMs / 1000} s in vain for ${what}${failure}`)
}

/** The first answer of a monitor that may just be coming back. */
async function answered(ask) {
  let answer
  await waitFor('the monitor to answer', async () => {
    answer = await ask()
    return true
  })
  return answer
}

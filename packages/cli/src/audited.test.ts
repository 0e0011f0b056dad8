import { hostname } from 'node:os'

import type { Query } from '@blockmill/core'
import { Command } from 'commander'
import { afterEach, expect, test, vi } from 'vitest'

import { audited, auditedWhereSet } from './audited.ts'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

/** Runs `blockmill queues purge <queue>` with this work, on a database that takes note of what it is asked. */
async function purge(work: () => Promise<string>, { args = ['first'], fails = (_sql: string): boolean => false } = {}) {
  const log: string[] = []
  const query = (async (sql: string, params: readonly unknown[]) => {
    if (fails(sql)) throw new Error('the database is away')
    log.push(`${sql.trimStart().slice(0, 6)} ${JSON.stringify(params)}`)
    return [{ id: 7 }]
  }) as Query
  const program = new Command('blockmill')
  const command = program.command('queues').command('purge').argument('<queue>')
  const outcome = Promise.withResolvers<string>()
  command
    .option('--lane <lane>')
    .option('--database-url <url>')
    .action(() => {
      const noted = () => {
        log.push('work')
        return work()
      }
      audited({ query }, command, noted).then(outcome.resolve, outcome.reject)
    })
  program.parse(['queues', 'purge', ...args], { from: 'user' })
  const result = await outcome.promise.catch((error: Error) => error.message)
  return { result, log }
}

test('a command is on record before its work, with who gave it where, and its exit status after', async () => {
  const { result, log } = await purge(async () => 'done', { args: ['first', '--lane', 'low'] })
  const [written = '', ...after] = log
  expect(result).toBe('done')
  expect(after).toEqual(['work', 'update [7,0]'])
  const [role, actor, address, method, route, params] = JSON.parse(written.slice('insert '.length)) as string[]
  expect([role, actor, method, route]).toEqual(['operator', 'command line', 'CLI', 'queues purge'])
  expect(address).toMatch(/^[^@]+@/)
  expect(address?.endsWith(`@${hostname()}`)).toBe(true)
  expect(JSON.parse(params ?? '')).toEqual({ arguments: ['first'], options: { lane: 'low' } })
})

test('a command that fails is on record with status 1', async () => {
  const { result, log } = await purge(() => Promise.reject(new Error('the broker is away')))
  expect(result).toBe('the broker is away')
  expect(log.at(-1)).toBe('update [7,1]')
})

test('what cannot be put on record is not done', async () => {
  const { result, log } = await purge(async () => 'done', { fails: (sql) => sql.includes('insert') })
  expect([result, log]).toEqual(['the database is away', []])
})

test('what was done is done, also when its outcome cannot be put on record', async () => {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  const { result } = await purge(async () => 'done', { fails: (sql) => sql.includes('update') })
  expect(result).toBe('done')
  expect(stderr).toHaveBeenCalledWith(expect.stringContaining('the database is away'))
})

test('passwords in options are not kept', async () => {
  const { log } = await purge(async () => 'done', { args: ['a', '--database-url', 'postgresql://me:hidden@db/x'] })
  expect(log[0]).toContain('postgresql://')
  expect(log[0]).not.toContain('hidden')
})

test('without a database, a command that needs none is done all the same', async () => {
  vi.stubEnv('DATABASE_URL', '')
  expect(await auditedWhereSet(new Command('shutdown'), async () => 'done')).toBe('done')
})

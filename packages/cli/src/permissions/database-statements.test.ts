import { expect, test } from 'vitest'

import { databaseFunctions, databasePrivileges } from './database-privileges.ts'
import { databaseStatements } from './database-statements.ts'

test('an account that is new is made, and gets what its role needs after all else was taken', () => {
  const account = { name: 'a_monitor', role: 'monitor', exists: false, passwordHash: 'SCRAM-SHA-256$x' } as const
  const statements = databaseStatements(account, 'my"db')
  expect(statements.slice(0, 6)).toEqual([
    `create role "a_monitor" login password 'SCRAM-SHA-256$x'`,
    'grant connect on database "my""db" to "a_monitor"',
    'revoke all on schema "blockmill" from "a_monitor"',
    'revoke all on all tables in schema "blockmill" from "a_monitor"',
    'revoke all on all functions in schema "blockmill" from "a_monitor"',
    'grant usage on schema "blockmill" to "a_monitor"',
  ])
  expect(statements).toContain('grant select, insert, update, delete on "blockmill"."task" to "a_monitor"')
  expect(statements).toContain('grant select on "blockmill"."coverage" to "a_monitor"')
  expect(statements).toContain('grant execute on function "blockmill"."end_cancelled" to "a_monitor"')
})

test('an account that is there keeps its password unless there is another', () => {
  const [first] = databaseStatements({ name: 'a', role: 'scheduler', exists: true, passwordHash: undefined }, 'db')
  expect(first).toBe('alter role "a" login')
})

test('tables that a role has no business with are not mentioned', () => {
  expect(databasePrivileges('scheduler').has('audit')).toBe(false)
  expect(databaseFunctions('scheduler')).toEqual([])
  expect(databasePrivileges('operator').get('task')).toEqual(['select', 'delete', 'update (progress_at)'])
})

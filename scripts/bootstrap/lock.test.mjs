import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import process from 'node:process'

import { onTestFinished, expect, test, vi } from 'vitest'

import { withLock } from './lock.mjs'

function createLockFile() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'lock-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return path.join(folder, 'a', 'setup.lock')
}

test('runs the second action only after the first has ended', async () => {
  const file = createLockFile()
  const order = []
  const first = Promise.withResolvers()
  const waiting = Promise.withResolvers()
  const one = withLock(file, { onWait: () => {} }, async () => {
    await first.promise
    order.push('first')
  })
  const two = withLock(file, { onWait: waiting.resolve }, async () => order.push('second'))
  expect(await waiting.promise).toBe(process.pid)
  first.resolve()
  await Promise.all([one, two])
  expect(order).toEqual(['first', 'second'])
  expect(existsSync(file)).toBe(false)
})

test('is released when the action fails', async () => {
  const file = createLockFile()
  const failing = withLock(file, { onWait: () => {} }, () => Promise.reject(new Error('no space')))
  await expect(failing).rejects.toThrow('no space')
  expect(existsSync(file)).toBe(false)
})

test('takes over the lock of a process that is gone', async () => {
  const file = createLockFile()
  await withLock(file, { onWait: () => {} }, async () => {})
  const { pid } = spawnSync(process.execPath, ['--version'])
  writeFileSync(file, String(pid))
  const onWait = vi.fn()
  expect(await withLock(file, { onWait }, async () => 'done')).toBe('done')
  expect(onWait).not.toHaveBeenCalled()
})

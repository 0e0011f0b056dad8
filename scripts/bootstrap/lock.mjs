import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import process from 'node:process'
import { setTimeout as pause } from 'node:timers/promises'

const POLL_MS = 200

/**
 * Runs an action while holding a lock file, so that two processes never do it at once. The file names its owner; a lock
 * whose owner is gone is taken over.
 *
 * @template T
 * @param {string} file
 * @param {{ onWait: (owner: number) => void }} options `onWait` is called once when another process holds the lock
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
export async function withLock(file, { onWait }, action) {
  let waited = false
  while (!tryLock(file)) {
    const owner = ownerOf(file)
    if (owner !== undefined && !isProcessAlive(owner)) {
      breakLock(file, owner)
      continue
    }
    if (!waited && owner !== undefined) onWait(owner)
    waited = true
    await pause(POLL_MS)
  }
  try {
    return await action()
  } finally {
    rmSync(file, { force: true })
  }
}

function isProcessAlive(pid) {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it lives, and belongs to somebody else.
    return error.code === 'EPERM'
  }
}

/** A hard link is made whole or not at all, so that nobody ever reads a lock without its owner. */
function tryLock(file) {
  const mine = `${file}.${process.pid}`
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(mine, String(process.pid))
  try {
    linkSync(mine, file)
    return true
  } catch (error) {
    if (error.code !== 'EEXIST') throw error
    return false
  } finally {
    rmSync(mine, { force: true })
  }
}

function ownerOf(file) {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch (error) {
    // Released in this very moment.
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Moves the lock away before removing it: of several that find it abandoned, one alone succeeds in that. */
function breakLock(file, owner) {
  const mine = `${file}.broken-${process.pid}`
  try {
    renameSync(file, mine)
  } catch (error) {
    if (error.code === 'ENOENT') return
    throw error
  }
  // Between reading and renaming, another may have broken it and locked anew: then it is put back.
  if (ownerOf(mine) !== owner) renameSync(mine, file)
  else rmSync(mine, { force: true })
}

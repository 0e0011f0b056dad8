import { hash } from 'node:crypto'

import type { SerializedError } from '@blockmill/core'

/** Failures of one kind begin with the same words. */
const MESSAGE_LENGTH = 1_000

/** What is different in each failure of a kind, and what stands for it. Order matters: quoted text may hold all the rest. */
const VARIABLE: readonly (readonly [RegExp, string])[] = [
  // A quote inside a word is an apostrophe.
  [/(?<!\w)"[^"\n]*"|(?<!\w)'[^'\n]*'(?!\w)|`[^`\n]*`/g, '<text>'],
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '<id>'],
  // A hash without a letter looks like a number, so both are one.
  [/\b0x[0-9a-f]+\b|\b(?=[a-f]*\d)[0-9a-f]{8,}\b/gi, '<n>'],
  [/\d+([.,:_-]\d+)*/g, '<n>'],
  [/\s+/g, ' '],
]

/**
 * Names the kind of a failure: the same for failures of one task with the same error class, the same message but for numbers,
 * ids, hashes and quoted text, at the same place of the task's own code. 16 hexadecimal digits.
 */
export function failureFingerprint(task: string, error: Pick<SerializedError, 'name' | 'message' | 'stack'>): string {
  const kind = [task, error.name, normalisedMessage(error.message), ownFrame(error) ?? '']
  return hash('sha256', JSON.stringify(kind), 'hex').slice(0, 16)
}

/** A message with stand-ins for what is different in each failure of a kind, cut after 1,000 characters. */
export function normalisedMessage(message: string): string {
  return VARIABLE.reduce(
    (text, [what, standIn]) => text.replace(what, standIn),
    message.slice(0, MESSAGE_LENGTH),
  ).trim()
}

/** `at run (file:///app/tasks/a.ts:7:11)`, with or without a function, of the code itself or of an `eval` in it. */
const FRAME = /^\s+at (?:async )?(?:(?<name>[^()]+?) \()?(?<place>[^()]+?):\d+:\d+\)?$/

/** No frame is longer; other lines may be anything. */
const MAX_FRAME = 1_000

/** What is no code of the task: packages, and Node itself. */
const FOREIGN = /[/\\]node_modules[/\\]|^node:/

/**
 * The uppermost frame of the stack in code that is neither a package's nor Node's: the function, and its file with the folder that
 * it is in. Without line and column, which change with every edit above, and without the folders before, which differ between
 * machines. `undefined` when there is none.
 */
export function ownFrame({
  name,
  message,
  stack = '',
}: Pick<SerializedError, 'name' | 'message' | 'stack'>): string | undefined {
  const head = `${name}: ${message}`
  // A message may have lines that look like frames.
  const frames = stack.startsWith(head) ? stack.slice(head.length) : stack
  for (const line of frames.split('\n')) {
    if (line.length > MAX_FRAME) continue
    const { name: caller, place } = FRAME.exec(line)?.groups ?? {}
    if (place === undefined || FOREIGN.test(place)) continue
    const file = place
      .replace(/[?#].*$/, '')
      .split(/[/\\]/)
      .slice(-2)
      .join('/')
    return caller === undefined ? file : `${caller} (${file})`
  }
  return undefined
}

import type { DeadLetterSummary, StoredDeadLetter } from '@blockmill/monitor'

import { textTable } from '../text-table.ts'

/** Longest error in a table. */
const ERROR_IN_TABLE = 60

/** Dead letters as a table. */
export function lettersText(letters: readonly DeadLetterSummary[]): string {
  if (letters.length === 0) return 'There is no dead letter.'
  return textTable(
    ['id', 'received', 'reason', 'queue', 'task', 'bytes', 'error'],
    letters.map(({ id, receivedAt, reason, queue, task, bytes, error }) => [
      id,
      receivedAt.toISOString(),
      reason,
      queue ?? '-',
      task ?? '-',
      bytes,
      oneLine(error ?? ''),
    ]),
  )
}

function oneLine(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ')
  return line.length <= ERROR_IN_TABLE ? line : `${line.slice(0, ERROR_IN_TABLE)}…`
}

/** One dead letter, line by line. */
export function letterText({ body, headers, ...letter }: StoredDeadLetter): string {
  const { text, data } = bodyOf(body)
  return [
    `${letter.id}: ${letter.reason}${letter.error === null ? '' : `: ${letter.error}`}`,
    `received ${letter.receivedAt.toISOString()} from ${letter.queue ?? 'an unknown queue'}, type ${letter.type ?? 'none'}`,
    `task ${letter.task ?? 'not known'}${letter.taskId === null ? '' : `, first id ${letter.taskId}`}`,
    `headers ${JSON.stringify(headers)}`,
    `body, ${letter.bytes} bytes${text ? '' : ', as base64'}:`,
    data,
  ].join('\n')
}

/** One dead letter as data: its body as text, or as base64 when it is not UTF-8. */
export function letterJson({ body, ...letter }: StoredDeadLetter): object {
  const { text, data } = bodyOf(body)
  return { ...letter, body: { encoding: text ? 'text' : 'base64', data } }
}

function bodyOf(body: Buffer): { readonly text: boolean; readonly data: string } {
  const data = body.toString('utf8')
  return Buffer.from(data).equals(body) ? { text: true, data } : { text: false, data: body.toString('base64') }
}

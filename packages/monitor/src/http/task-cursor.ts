/** Where a page of tasks begins: behind this task, in a list that is in the order of a time, or of ids. */
export interface TaskPosition {
  /** ISO 8601 in microseconds, in lists by time. */
  readonly time?: string
  readonly id: string
}

const UUID = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'
const TIME = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z`

/** What cursors look like. */
export const TASK_CURSOR_PATTERN = `^(?:${TIME}_)?${UUID}$`

/** A position as clients get it. */
export function cursorOf(time: string | null, id: string): string {
  return time === null ? id : `${time}_${id}`
}

/**
 * A position from a client.
 *
 * @throws CursorError when it is of a list in another order, which other filters make.
 */
export function parseCursor(cursor: string, { hasTime }: { readonly hasTime: boolean }): TaskPosition {
  const [time, id] = cursor.split('_')
  if (time === undefined || (id !== undefined) !== hasTime) throw new CursorError(cursor)
  if (id === undefined) return { id: time }
  if (!isTime(time)) throw new CursorError(cursor)
  return { time, id }
}

/** False for the 30th of February. */
function isTime(text: string): boolean {
  const time = new Date(text)
  return !Number.isNaN(time.getTime()) && time.toISOString().slice(0, 19) === text.slice(0, 19)
}

/** Answered with 400. */
class CursorError extends Error {
  readonly statusCode = 400

  constructor(cursor: string) {
    super(
      `The request is invalid: cursor ${cursor} is of a list with other filters; a page is asked for with those of the page before.`,
    )
  }
}

import {
  type Broker,
  type PartList,
  readRowsMessage,
  ROWS_MESSAGE_TYPE,
  type RowsPart,
  taskId,
  type TaskMessage,
  unpackRows,
} from '@blockmill/core'
import { message } from './messages.ts'

/** The job of all batches here. */
export const JOB = '0190f3a0-0000-7000-8000-00000000000a'

/** The message of a batch of the task `fetch`. */
export function batch(from: number, to: number, changes: Partial<TaskMessage> = {}): TaskMessage {
  const id = taskId({ chain: 'dev', task: 'fetch', args: {}, range: { from, to }, job: JOB })
  return message({
    task: 'fetch',
    cause: 'range',
    lane: 'low',
    rootId: JOB,
    items: [{ id, range: { from, to }, args: {} }],
    ...changes,
  })
}

/** Parts that came from workers, and the rows of those that a manifest names. */
export class ReceivedParts {
  readonly all: RowsPart[] = []

  /** Takes all that is published to the results queue. */
  async consume(broker: Broker): Promise<void> {
    await broker.consume({
      queue: broker.topology.resultsQueue,
      prefetch: 100,
      onDelivery: (delivery) => {
        if (delivery.type === ROWS_MESSAGE_TYPE) this.all.push(readRowsMessage(delivery))
        delivery.ack()
      },
    })
  }

  /** @throws when a part is not there. */
  rows(parts: PartList): unknown[] {
    return parts.flatMap(({ execution, parts: count }) =>
      Array.from({ length: count }, (_, part) => this.#part(execution, part)).flatMap((one) =>
        unpackRows(one.data)
          .toString()
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as unknown),
      ),
    )
  }

  #part(execution: string, part: number): RowsPart {
    const found = this.all.find((one) => one.execution === execution && one.part === part)
    if (found === undefined) throw new Error(`part ${part} of execution ${execution} did not come`)
    return found
  }
}

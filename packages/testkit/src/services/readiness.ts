import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

const RETRY_MS = 50

/**
 * Tries `probe` until it succeeds. A success after the time is over counts as none, so that the limit holds on every machine.
 * @throws the last failure after `timeoutMs`, or at once what `isHopeless` returns.
 */
export async function waitUntilReady(
  probe: () => Promise<void>,
  { timeoutMs, isHopeless }: { readonly timeoutMs: number; readonly isHopeless: () => Error | undefined },
): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    try {
      await probe()
      if (Date.now() <= deadline) return
      throw new Error('It answered too late.')
    } catch (error) {
      const hopeless = isHopeless()
      if (hopeless !== undefined) throw hopeless
      if (Date.now() >= deadline) throw error
    }
    await delay(RETRY_MS)
  }
}

/** AMQP 0-9-1's protocol header; a broker that is ready answers it with a method frame, whose type is 1. */
const PROTOCOL_HEADER = Buffer.from([0x41, 0x4d, 0x51, 0x50, 0, 0, 9, 1])
const METHOD_FRAME = 1

/** Succeeds when an AMQP broker answers on this port. */
export function probeAmqp(host: string, port: number, timeoutMs = 2_000): Promise<void> {
  return probeTcp(host, port, { timeoutMs, send: PROTOCOL_HEADER, isExpected: (reply) => reply[0] === METHOD_FRAME })
}

/** Succeeds when something accepts connections on this port and, when `send` is given, answers as expected. */
export function probeTcp(
  host: string,
  port: number,
  {
    timeoutMs = 2_000,
    send,
    isExpected = () => true,
  }: { timeoutMs?: number; send?: Buffer; isExpected?: (reply: Buffer) => boolean } = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    const finish = (error?: Error) => {
      socket.destroy()
      if (error === undefined) resolve()
      else reject(error)
    }
    socket.setTimeout(timeoutMs, () => finish(new Error(`${host}:${port} did not answer within ${timeoutMs} ms.`)))
    socket.once('error', finish)
    socket.once('close', () => finish(new Error(`${host}:${port} closed the connection without an answer.`)))
    socket.once('connect', () => {
      if (send === undefined) finish()
      else socket.write(send)
    })
    socket.once('data', (reply) =>
      finish(isExpected(reply) ? undefined : new Error(`${host}:${port} speaks another protocol.`)),
    )
  })
}

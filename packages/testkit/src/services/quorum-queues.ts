/**
 * Has a node write its directory of quorum queues to disk, which it does by itself only now and then. RabbitMQ 3.10 gives a
 * queue that is missing there after a crash (one declared a second before) no leader ever again: `basic.consume` and
 * `basic.get` then hang. A test that kills a broker is about the messages, not about that.
 * @param ctl runs `rabbitmqctl` against the node.
 */
export async function saveQueueDirectory(ctl: (...args: string[]) => Promise<string>): Promise<void> {
  try {
    await ctl('eval', '[dets:sync(Table) || Table <- dets:all()].')
  } catch {
    // The node does not run any more or does not answer, so there is nothing to be saved.
  }
}

/**
 * Has a node write to disk what it knows of its queues, which it does by itself only now and then. RabbitMQ confirms a declaration
 * before that: a queue that was declared a moment before a crash is gone afterwards, and its confirmed messages with it. One that is
 * missing in the directory of quorum queues alone (up to a second old) gets no leader ever again on 3.10: `basic.consume` and
 * `basic.get` then hang. A test that kills a broker is about the messages, not about that.
 * @param ctl runs `rabbitmqctl` against the node.
 */
export async function saveQueueDirectory(ctl: (...args: string[]) => Promise<string>): Promise<void> {
  try {
    await ctl('eval', '[dets:sync(Table) || Table <- dets:all()], mnesia:sync_log().')
  } catch {
    // The node does not run any more or does not answer, so there is nothing to be saved.
  }
}

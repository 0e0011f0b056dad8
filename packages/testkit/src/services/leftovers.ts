import { readdirSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { type InstanceRecord, readInstanceRecord, type ServiceKind } from './instance-folder.ts'
import { endProcess } from './process-ending.ts'
import { isRunning, type MachineIdentity, machineIdentity, type ProcessIdentity } from './process-identity.ts'

/**
 * What to do with an instance found in the state folder:
 *
 * | verdict | when | then |
 * |---|---|---|
 * | `in-use` | its owner runs | left alone |
 * | `foreign` | it belongs to another machine or container that shares the folder | left alone |
 * | `stale` | it is from before this machine's last boot | its folder is removed |
 * | `orphaned` | its owner is gone | its processes are ended, its folder is removed |
 */
export type InstanceVerdict = 'in-use' | 'foreign' | 'stale' | 'orphaned'

/** Judges one record; pure but for the question whether a process runs. */
export function judgeInstance(
  record: InstanceRecord,
  here: MachineIdentity,
  runs: (identity: ProcessIdentity) => boolean,
): InstanceVerdict {
  if (record.machine.boot !== here.boot) return record.machine.host === here.host ? 'stale' : 'foreign'
  if (record.machine.pidNamespace !== here.pidNamespace) return 'foreign'
  return runs(record.owner) ? 'in-use' : 'orphaned'
}

/** SIGQUIT makes PostgreSQL end its children and free its shared memory; the others have neither and end at once. */
const END_SIGNAL: Record<ServiceKind, NodeJS.Signals> = { postgres: 'SIGQUIT', rabbitmq: 'SIGKILL', anvil: 'SIGKILL' }
/** A folder this young may be one that is being made and has no record yet. */
const UNRECORDED_AGE_MS = 60_000

/**
 * Ends what a crashed run left behind in the state folder. Only processes that the record names by pid and start time are
 * ended, so a pid that was given to somebody else since is safe.
 */
export async function removeLeftovers(stateFolder: string, log: (line: string) => void = () => {}): Promise<void> {
  const here = machineIdentity()
  for (const entry of readdirSync(stateFolder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue
    const path = join(stateFolder, entry.name)
    const record = readInstanceRecord(path)
    if (record === undefined) {
      if (isOlderThan(path, UNRECORDED_AGE_MS)) await removeFolder(path)
      continue
    }
    const verdict = judgeInstance(record, here, isRunning)
    if (verdict === 'in-use' || verdict === 'foreign') continue
    if (verdict === 'orphaned')
      await Promise.all(record.processes.map((each) => endProcess(each, END_SIGNAL[record.kind])))
    await removeFolder(path)
    log(`Removed a private ${record.kind} that an earlier run had left behind (process ${record.owner.pid} is gone).`)
  }
}

function isOlderThan(path: string, ageMs: number): boolean {
  const age = statSync(path, { throwIfNoEntry: false })?.mtimeMs
  return age !== undefined && Date.now() - age > ageMs
}

function removeFolder(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
}

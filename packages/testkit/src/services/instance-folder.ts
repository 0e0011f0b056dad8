import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

import { type MachineIdentity, machineIdentity, ownIdentity, type ProcessIdentity } from './process-identity.ts'

/** Kinds of private services. */
export const SERVICE_KINDS = ['rabbitmq', 'postgres', 'anvil'] as const
export type ServiceKind = (typeof SERVICE_KINDS)[number]

/** What `instance.json` in an instance folder says, so that the next start can clean up after a crash. */
export interface InstanceRecord {
  readonly kind: ServiceKind
  readonly machine: MachineIdentity
  /** The process that started the service, and that stops it. */
  readonly owner: ProcessIdentity
  /** The processes of the service, in the order in which they were started. */
  readonly processes: readonly ProcessIdentity[]
}

/** One private service's folder: its record, its log, and its data unless the caller keeps that elsewhere. */
export interface InstanceFolder {
  readonly path: string
  /** Adds a process to the record. Synchronous, so that no crash can come between the start and the record. */
  recordProcess(identity: ProcessIdentity): void
  /** Removes the folder with everything in it. */
  remove(): Promise<void>
  /** The same for a process that is exiting: best effort, what remains is removed at the next start. */
  removeNow(): void
}

const RECORD = 'instance.json'

/** Makes a folder for a new instance below the state folder and writes its record. */
export function createInstanceFolder(stateFolder: string, kind: ServiceKind): InstanceFolder {
  const path = mkdtempSync(join(stateFolder, `${kind}-`))
  // Others may pass through, for a PostgreSQL that runs as another user; what is inside has its own modes.
  chmodSync(path, 0o711)
  let record: InstanceRecord = { kind, machine: machineIdentity(), owner: ownIdentity(), processes: [] }
  writeRecord(path, record)
  return {
    path,
    recordProcess(identity) {
      record = { ...record, processes: [...record.processes, identity] }
      writeRecord(path, record)
    },
    remove: () => rm(path, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }),
    removeNow() {
      try {
        rmSync(path, { recursive: true, force: true, maxRetries: 3 })
      } catch {
        // Its processes are ending at this moment and may still write; the next start removes the rest.
      }
    },
  }
}

/** Reads the record of an instance folder; undefined when there is none or it is not one of ours. */
export function readInstanceRecord(path: string): InstanceRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(path, RECORD), 'utf8'))
    return isInstanceRecord(value) ? value : undefined
  } catch {
    // Not written yet, or not readable: there is nothing to act on.
    return undefined
  }
}

function writeRecord(path: string, record: InstanceRecord): void {
  const temporary = join(path, `${RECORD}.new`)
  writeFileSync(temporary, JSON.stringify(record, undefined, 2), { mode: 0o600 })
  renameSync(temporary, join(path, RECORD))
}

function isInstanceRecord(value: unknown): value is InstanceRecord {
  if (typeof value !== 'object' || value === null) return false
  const { kind, machine, owner, processes } = value as Partial<Record<keyof InstanceRecord, unknown>>
  return (
    SERVICE_KINDS.some((known) => known === kind) &&
    isMachineIdentity(machine) &&
    isProcessIdentity(owner) &&
    Array.isArray(processes) &&
    processes.every(isProcessIdentity)
  )
}

function isProcessIdentity(value: unknown): value is ProcessIdentity {
  if (typeof value !== 'object' || value === null) return false
  const { pid, startTime } = value as Partial<Record<keyof ProcessIdentity, unknown>>
  return typeof pid === 'number' && Number.isSafeInteger(pid) && pid > 1 && typeof startTime === 'string'
}

function isMachineIdentity(value: unknown): value is MachineIdentity {
  if (typeof value !== 'object' || value === null) return false
  const { host, boot, pidNamespace } = value as Partial<Record<keyof MachineIdentity, unknown>>
  return typeof host === 'string' && typeof boot === 'string' && typeof pidNamespace === 'string'
}

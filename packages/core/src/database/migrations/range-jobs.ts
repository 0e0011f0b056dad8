import { Migration } from '@mikro-orm/migrations'

/**
 * Range jobs, their batches, and the rows that these emit. The job's state is what people order and the scheduler decides; how far a
 * job is follows from the states of its batches alone. Parts of rows come in any order, also before their batch is known to have
 * succeeded, so nothing ties them to it but its task's id.
 */
export class RangeJobs extends Migration {
  override up(): void {
    for (const statement of [JOBS, BATCHES, RESULTS]) this.addSql(statement)
  }

  override down(): void {
    for (const table of ['range_result', 'range_batch', 'range_job']) this.addSql(`drop table blockmill.${table}`)
  }
}

// Jobs that the scheduler has to do with are those that have not finished, however many there are on record.
const JOBS = `
create table blockmill.range_job (
  id uuid primary key,
  chain text not null,
  task text not null,
  from_block bigint not null,
  to_block bigint not null check (to_block >= from_block),
  args jsonb not null,
  args_hash text not null,
  batch_size bigint,
  min_batch bigint,
  batch_window int,
  queue text,
  priority int,
  max_attempts int,
  sink text not null check (sink in ('postgres', 'ndjson')),
  state text not null
    check (state in ('pending', 'running', 'paused', 'completed', 'completed_with_failures', 'cancelled')),
  note text,
  created_by text not null,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  blocks_per_second double precision,
  rows_per_second double precision,
  progress_at timestamptz
);
create index range_job_open on blockmill.range_job (chain, id) where finished_at is null`

// One index finds the next batches to dispatch, those under way, and what there is of each state.
const BATCHES = `
create table blockmill.range_batch (
  job uuid not null references blockmill.range_job on delete cascade,
  from_block bigint not null,
  to_block bigint not null check (to_block >= from_block),
  number int not null,
  depth int not null,
  state text not null check (state in ('pending', 'queued', 'succeeded', 'failed', 'cancelled', 'split')),
  task_id uuid not null,
  generation bigint not null default 0,
  tries int not null default 0,
  max_attempts int,
  rows bigint,
  output jsonb,
  error jsonb,
  dispatched_at timestamptz,
  finished_at timestamptz,
  primary key (job, from_block, to_block)
);
create index range_batch_by_state on blockmill.range_batch (job, state, from_block) include (to_block, rows)`

// The data is compressed already: PostgreSQL must not try again.
const RESULTS = `
create table blockmill.range_result (
  job uuid not null,
  task_id uuid not null,
  execution uuid not null,
  part int not null,
  rows int not null,
  bytes int not null,
  data bytea,
  file text,
  stored_at timestamptz not null default now(),
  primary key (task_id, execution, part)
);
alter table blockmill.range_result alter column data set storage external;
create index range_result_by_job on blockmill.range_result (job)`

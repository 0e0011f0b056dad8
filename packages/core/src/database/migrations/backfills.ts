import { Migration } from '@mikro-orm/migrations'

/**
 * Back-fill jobs, and for each set of arguments which blocks a job is for and which of them are done. The job's state is
 * what people order and the scheduler decides; the progress is in the parts' sets alone.
 */
export class Backfills extends Migration {
  override up(): void {
    this.addSql(`
create table blockmill.backfill (
  id uuid primary key,
  chain text not null,
  task text not null,
  head text not null check (head in ('finalized', 'latest')),
  from_block bigint not null,
  to_block bigint not null check (to_block >= from_block),
  args jsonb,
  chunk int,
  task_window int,
  rate double precision,
  force boolean not null,
  generation bigint not null,
  state text not null check (state in ('pending', 'running', 'paused', 'completed', 'cancelled', 'failed')),
  created_by text not null,
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  error text,
  blocks_per_second double precision,
  progress_at timestamptz
)`)
    this.addSql(`create index backfill_open on blockmill.backfill (chain, id) where state in ('pending', 'running')`)
    this.addSql(`
create table blockmill.backfill_part (
  backfill uuid not null references blockmill.backfill on delete cascade,
  args_hash text not null,
  args jsonb not null,
  target int8multirange not null,
  evaluated int8multirange not null default '{}',
  scheduled bigint not null default 0,
  primary key (backfill, args_hash)
)`)
  }

  override down(): void {
    this.addSql('drop table blockmill.backfill_part')
    this.addSql('drop table blockmill.backfill')
  }
}

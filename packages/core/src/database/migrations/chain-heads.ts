import { Migration } from '@mikro-orm/migrations'

/**
 * What a scheduler knows of its chain's tips: the heads that it has seen, the newest blocks that tasks on `latest` were
 * scheduled for, and those of them that the chain has replaced since.
 *
 * The generation of a recent block is not 0 when its hash was orphaned before and has come back: its tasks, whose ids are the
 * same, must run again. That of an orphaned block is the time of the reorganisation in Unix milliseconds.
 */
export class ChainHeads extends Migration {
  override up(): void {
    this.addSql(`
alter table blockmill.chain
  add column latest_number bigint,
  add column latest_hash text,
  add column finalized_number bigint,
  add column finalized_hash text,
  add column heads_at timestamptz`)
    this.addSql(`
create table blockmill.recent_block (
  chain text not null,
  number bigint not null,
  hash text not null,
  generation bigint not null,
  primary key (chain, number)
)`)
    this.addSql(`
create table blockmill.orphaned_block (
  chain text not null,
  number bigint not null,
  hash text not null,
  generation bigint not null,
  orphaned_at timestamptz not null default now(),
  primary key (chain, hash)
)`)
  }

  override down(): void {
    this.addSql('drop table blockmill.orphaned_block')
    this.addSql('drop table blockmill.recent_block')
    this.addSql(`
alter table blockmill.chain
  drop column latest_number,
  drop column latest_hash,
  drop column finalized_number,
  drop column finalized_hash,
  drop column heads_at`)
  }
}

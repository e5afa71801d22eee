-- A run, and its state, kept by the transactions that append events. How many events there are, the run's
-- last batch says.
create table stretto_run (
    number bigint generated always as identity primary key,  -- stands for the run in keys
    id text not null unique,
    flow text not null,
    source text not null,
    state text not null,
    started bigint not null,                   -- microseconds since 1970, as all times
    ended bigint,
    forked_from text,
    length bigint not null default 0,          -- at least so many events: as many as when `state` was last set
    -- The lease; see the module stretto.journal.leases.
    token bigint not null default 1,
    owner text,                                -- null when released
    ttl_ms bigint not null,
    beat bigint not null default 0,
    nonce text not null
) with (fillfactor = 60);                      -- room to update a row in its page, without its indexes

create index stretto_run_started on stretto_run (started, number);
create index stretto_run_flow on stretto_run (flow, started, number);
create index stretto_run_state on stretto_run (state, started, number);
create index stretto_run_ended on stretto_run (ended) where ended is not null;

-- Events, many to a row; see the module stretto.journal.frames.
create table stretto_batch (
    key bigint primary key,                    -- run number * 2^32 + number of the first event
    token bigint not null,                     -- of the lease that appended it
    count bigint not null,
    calls bigint not null,                      -- CallFinished among the run's events up to the last of these
    body bytea not null
);

alter table stretto_batch alter column body set storage external;  -- it is deflated already

-- Values by content, deflated.
create table stretto_blob (
    digest bytea primary key,                  -- SHA-256
    size bigint not null,
    body bytea not null
);

alter table stretto_blob alter column body set storage external;

create table stretto_use (
    run bigint not null,
    digest bytea not null,
    primary key (run, digest)
);

create index stretto_use_digest on stretto_use (digest);

-- A run, and its state, kept by the transactions that append events. How many events there are, the run's
-- last batch says.
create table stretto_run (
    number integer primary key autoincrement,  -- stands for the run in keys; never used again
    id text not null unique,
    flow text not null,
    source text not null,
    state text not null,
    started integer not null,                  -- microseconds since 1970, as all times
    ended integer,
    forked_from text,
    length integer not null default 0,         -- at least so many events: as many as when `state` was last set
    -- The lease; see the module stretto.journal.leases.
    token integer not null default 1,
    owner text,                                -- null when released
    ttl_ms integer not null,
    beat integer not null default 0,
    nonce text not null
);

create index stretto_run_started on stretto_run (started, number);
create index stretto_run_flow on stretto_run (flow, started, number);
create index stretto_run_state on stretto_run (state, started, number);
create index stretto_run_ended on stretto_run (ended) where ended is not null;

-- Events, many to a row; see the module stretto.journal.frames.
create table stretto_batch (
    key integer primary key,                   -- run number * 2^32 + number of the first event
    token integer not null,                    -- of the lease that appended it
    count integer not null,
    calls integer not null,                     -- CallFinished among the run's events up to the last of these
    body blob not null
);

-- Values by content, deflated.
create table stretto_blob (
    digest blob primary key,                   -- SHA-256
    size integer not null,
    body blob not null
);

create table stretto_use (
    run integer not null,
    digest blob not null,
    primary key (run, digest)
) without rowid;

create index stretto_use_digest on stretto_use (digest);

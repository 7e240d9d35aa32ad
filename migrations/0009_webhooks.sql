-- Events on their way to whoever asked for them.

-- The last number given to a business's events. Only who holds the sequencer's advisory lock writes here.
CREATE TABLE event_sequences (
    business_id text COLLATE "C" PRIMARY KEY,
    last        bigint NOT NULL CHECK (last > 0)
);

CREATE TABLE webhook_endpoints (
    id              text COLLATE "C" PRIMARY KEY,
    business_id     text COLLATE "C" NOT NULL REFERENCES businesses,
    url             text NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    event_types     text[] NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    -- Since when no attempt has succeeded; null while it is well. One that is not is sent one at a time.
    failing_since   timestamptz,
    disabled_at     timestamptz,
    disabled_reason text,
    CONSTRAINT webhook_endpoints_disabled CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
);
CREATE INDEX webhook_endpoints_business ON webhook_endpoints (business_id, created_at);
COMMENT ON COLUMN webhook_endpoints.event_types IS 'Empty: all';

-- Signing secrets. After a rotation the older one signs as well until it expires.
CREATE TABLE webhook_secrets (
    id          text COLLATE "C" PRIMARY KEY,
    endpoint_id text COLLATE "C" NOT NULL REFERENCES webhook_endpoints,
    sealed      bytea NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz
);
CREATE INDEX webhook_secrets_endpoint ON webhook_secrets (endpoint_id, created_at);
COMMENT ON COLUMN webhook_secrets.sealed IS 'Encrypted with the sealing key';

CREATE TABLE webhook_deliveries (
    id              text COLLATE "C" PRIMARY KEY DEFAULT 'whd_' || replace(gen_random_uuid()::text, '-', ''),
    endpoint_id     text COLLATE "C" NOT NULL REFERENCES webhook_endpoints,
    event_id        text NOT NULL REFERENCES events,
    session_id      text,
    business_id     text COLLATE "C" NOT NULL,
    sequence        bigint NOT NULL,
    state           text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'DELIVERED', 'DEAD')),
    -- How often it was sent, or reserved to be sent, since it began or was last asked for again.
    attempts        integer NOT NULL DEFAULT 0,
    -- Reserved to be sent. Until next_attempt_at: then it is free again, for its courier has died.
    sending         boolean NOT NULL DEFAULT false,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_status     smallint,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    UNIQUE (endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_finished CHECK ((state = 'WAITING') = (finished_at IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at, sequence) WHERE state = 'WAITING';
CREATE INDEX webhook_deliveries_next ON webhook_deliveries (next_attempt_at) WHERE state = 'WAITING';
CREATE INDEX webhook_deliveries_session ON webhook_deliveries (endpoint_id, session_id, sequence) WHERE state = 'WAITING';
CREATE INDEX webhook_deliveries_sending ON webhook_deliveries (endpoint_id) WHERE state = 'WAITING' AND sending;
CREATE INDEX webhook_deliveries_business ON webhook_deliveries (business_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_business_by_state ON webhook_deliveries (business_id, state, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_unfinished ON webhook_deliveries (business_id, state, attempts) WHERE state <> 'DELIVERED';

-- What came of each attempt; a line is written when it ended.
CREATE TABLE webhook_attempts (
    delivery_id text COLLATE "C" NOT NULL REFERENCES webhook_deliveries,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome     text NOT NULL,
    status      smallint,
    error       text,
    duration_ms integer NOT NULL,
    PRIMARY KEY (delivery_id, at)
);

-- The books: what is numbered and sent. All earlier rules stay as they are.
DO $books$
BEGIN
    EXECUTE 'CREATE OR REPLACE VIEW deposit_watcher_books (rule, subject, detail) AS '
        || rtrim(pg_get_viewdef('deposit_watcher_books'::regclass), ';') || $rules$
UNION ALL
SELECT 'sequences_end_at_their_counter', coalesce(s.business_id, e.business_id), format('counter %s, newest %s', s.last, e.newest)
  FROM event_sequences s
  FULL JOIN (SELECT business_id, max(sequence) AS newest FROM events WHERE sequence IS NOT NULL GROUP BY business_id) e
         ON e.business_id = s.business_id
 WHERE s.last IS DISTINCT FROM e.newest
UNION ALL
SELECT 'deliveries_stay_in_their_business', d.id, format('event %s of %s, endpoint of %s', e.sequence, e.business_id, w.business_id)
  FROM webhook_deliveries d JOIN events e ON e.id = d.event_id JOIN webhook_endpoints w ON w.id = d.endpoint_id
 WHERE (d.business_id, d.business_id, d.sequence) IS DISTINCT FROM (e.business_id, w.business_id, e.sequence)
$rules$;
END $books$;

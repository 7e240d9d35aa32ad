-- Events on their way to whoever asked for them.

-- The last number given to a business's events. Its row lock makes the one sequencer.
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
    business_id     text COLLATE "C" NOT NULL,
    sequence        bigint NOT NULL,
    state           text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING', 'DELIVERED', 'DEAD')),
    -- How often it was sent, or reserved to be sent, since it began or was last asked for again.
    attempts        integer NOT NULL DEFAULT 0,
    -- While it is being sent: when it is free again should its courier die.
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_status     smallint,
    last_error      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    UNIQUE (endpoint_id, event_id),
    CONSTRAINT webhook_deliveries_finished CHECK ((state = 'WAITING') = (finished_at IS NULL))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint_id, next_attempt_at) WHERE state = 'WAITING';
CREATE INDEX webhook_deliveries_business ON webhook_deliveries (business_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event_id);
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (business_id) WHERE state = 'DEAD';

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

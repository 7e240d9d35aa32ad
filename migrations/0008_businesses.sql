-- Who may open sessions, and by which rules: businesses, their widgets, what proves who asks.

CREATE TABLE businesses (
    id          text COLLATE "C" PRIMARY KEY CONSTRAINT businesses_id CHECK (id ~ '^[a-z0-9_-]{1,64}$'),
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 128),
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);
COMMENT ON TABLE businesses IS 'Who sessions belong to. Rows of deposit_sessions without a business_id are of `default`';
INSERT INTO businesses (id, name) VALUES ('default', 'default');

CREATE TABLE widgets (
    id                        text COLLATE "C" PRIMARY KEY,
    business_id               text COLLATE "C" NOT NULL REFERENCES businesses,
    name                      text NOT NULL,
    mode                      text NOT NULL CHECK (mode IN ('FIXED_AMOUNT', 'CUSTOMER_AMOUNT')),
    min_amount                numeric CHECK (min_amount > 0 AND min_amount < 'Infinity'),
    max_amount                numeric CHECK (max_amount > 0 AND max_amount < 'Infinity'),
    allowed_networks          text[] NOT NULL DEFAULT '{}',
    allowed_currencies        text[] NOT NULL DEFAULT '{}',
    allowed_deposit_addresses text[] NOT NULL DEFAULT '{}',
    allowed_domains           text[] NOT NULL DEFAULT '{}',
    success_url               text,
    cancel_url                text,
    default_currency          text,
    default_currency_address  text,
    default_network           text,
    default_deposit_address   text,
    metadata_schema           jsonb,
    created_at                timestamptz NOT NULL DEFAULT now(),
    disabled_at               timestamptz,
    CONSTRAINT widgets_range CHECK (min_amount <= max_amount),
    CONSTRAINT widgets_fixed CHECK (mode <> 'FIXED_AMOUNT' OR (min_amount IS NOT NULL AND min_amount = max_amount))
);
CREATE INDEX widgets_business ON widgets (business_id, created_at);
COMMENT ON COLUMN widgets.allowed_deposit_addresses IS 'Lower case. Empty: none with the widget''s secret, any with a token of the business';

-- A widget's client secrets. After a rotation the older one works until it expires.
CREATE TABLE widget_secrets (
    widget_id  text COLLATE "C" NOT NULL REFERENCES widgets,
    digest     bytea NOT NULL CHECK (length(digest) = 32),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    PRIMARY KEY (widget_id, digest)
);
COMMENT ON COLUMN widget_secrets.digest IS 'SHA-256 of a secret of 256 random bits';

-- Keys that sign a business's bearer tokens. The id is the token's `kid`.
CREATE TABLE api_keys (
    id          text COLLATE "C" PRIMARY KEY,
    business_id text COLLATE "C" NOT NULL REFERENCES businesses,
    name        text NOT NULL,
    algorithm   text NOT NULL CHECK (algorithm IN ('HS256', 'EdDSA')),
    sealed      bytea,
    public_key  bytea CHECK (length(public_key) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    disabled_at timestamptz,
    CONSTRAINT api_keys_material CHECK ((algorithm = 'HS256') = (sealed IS NOT NULL) AND (algorithm = 'EdDSA') = (public_key IS NOT NULL))
);
CREATE INDEX api_keys_business ON api_keys (business_id, created_at);
COMMENT ON COLUMN api_keys.sealed IS 'The HS256 secret, encrypted with the sealing key';
COMMENT ON COLUMN api_keys.public_key IS 'The Ed25519 public key; its private half never comes here';

-- An address is its first business's, on every network.
CREATE TABLE deposit_addresses (
    address     text COLLATE "C" PRIMARY KEY,
    business_id text COLLATE "C" NOT NULL,
    first_used  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE deposit_addresses IS 'The business that used a deposit address first. W';
-- Sessions that other programs insert meanwhile wait until the trigger below is there, or their addresses were nobody's.
LOCK TABLE deposit_sessions IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO deposit_addresses (address, business_id, first_used)
SELECT DISTINCT ON (to_address) to_address, coalesce(business_id, 'default'), accepted_at FROM deposit_sessions
 ORDER BY to_address, accepted_at, id;
CREATE FUNCTION deposit_sessions_own() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    -- Looked at first: an address is used by many sessions and new once.
    IF NOT EXISTS (SELECT FROM deposit_addresses a WHERE a.address = NEW.to_address) THEN
        INSERT INTO deposit_addresses (address, business_id) VALUES (NEW.to_address, coalesce(NEW.business_id, 'default'))
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER deposit_sessions_own AFTER INSERT ON deposit_sessions FOR EACH ROW EXECUTE FUNCTION deposit_sessions_own();

-- Answers given under an Idempotency-Key, written with what they tell of.
CREATE TABLE idempotency_keys (
    business_id text COLLATE "C" NOT NULL,
    credential  text COLLATE "C" NOT NULL,
    route       text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    request     bytea NOT NULL CHECK (length(request) = 32),
    answer      jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, credential, route, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
COMMENT ON TABLE idempotency_keys IS 'Kept 24 hours. Answers hold no secret: those are derived anew';

-- One use each, 60 seconds: browsers cannot send headers with an EventSource.
CREATE TABLE event_tickets (
    digest     bytea PRIMARY KEY CHECK (length(digest) = 32),
    session_id text NOT NULL REFERENCES deposit_sessions,
    expires_at timestamptz NOT NULL
);
CREATE INDEX event_tickets_age ON event_tickets (expires_at);

-- Lists by business and widget, newest first.
CREATE INDEX deposit_sessions_of_widget ON deposit_sessions (widget_id, created_at DESC, id DESC) WHERE widget_id IS NOT NULL;
CREATE INDEX deposit_sessions_of_widget_by_status ON deposit_sessions (widget_id, payment_status, created_at DESC, id DESC)
    WHERE widget_id IS NOT NULL;
CREATE INDEX deposit_sessions_of_widget_by_reference ON deposit_sessions (widget_id, customer_reference, created_at DESC, id DESC)
    WHERE widget_id IS NOT NULL AND customer_reference IS NOT NULL;

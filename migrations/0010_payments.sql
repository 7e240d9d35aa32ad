-- Payments by link: what POST /v1/widget/sessions creates, each of which opens at most one deposit session.

-- The references below wait for whoever writes sessions, and all others wait behind: not for long.
SET LOCAL lock_timeout = '5s';

-- A key may be bound to a widget of its business, which then says where the money of its payments goes.
ALTER TABLE widgets ADD CONSTRAINT widgets_of_business UNIQUE (id, business_id);
ALTER TABLE api_keys ADD COLUMN widget_id text COLLATE "C",
    ADD CONSTRAINT api_keys_widget FOREIGN KEY (widget_id, business_id) REFERENCES widgets (id, business_id);
COMMENT ON COLUMN api_keys.widget_id IS 'By whose rules payments are made that are asked for with this key''s tokens';

CREATE TABLE payments (
    business_id           text COLLATE "C" NOT NULL REFERENCES businesses,
    deposit_id            text COLLATE "C" NOT NULL
        CONSTRAINT payments_deposit_id CHECK (deposit_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'),
    widget_id             text COLLATE "C" NOT NULL,
    token                 bytea NOT NULL CHECK (length(token) = 32) CONSTRAINT payments_token UNIQUE,
    request               bytea NOT NULL CHECK (length(request) = 32),
    amount                numeric CHECK (amount > 0 AND amount < 'Infinity'),
    return_url            text NOT NULL,
    statement_description text,
    reason                text,
    country               text,
    language              text CHECK (language IN ('EN', 'FR')),
    metadata              jsonb NOT NULL DEFAULT '[]',
    pii                   bytea,
    created_at            timestamptz NOT NULL DEFAULT now(),
    opens_until           timestamptz NOT NULL,
    expires_at            timestamptz NOT NULL,
    opened_at             timestamptz,
    cancelled_at          timestamptz,
    session_id            text CONSTRAINT payments_session UNIQUE REFERENCES deposit_sessions,
    PRIMARY KEY (business_id, deposit_id),
    CONSTRAINT payments_widget FOREIGN KEY (widget_id, business_id) REFERENCES widgets (id, business_id)
);
COMMENT ON TABLE payments IS 'Payments by link. Rows are never deleted';
COMMENT ON COLUMN payments.token IS 'SHA-256 of what the link carries, 128 bits derived from the sealing key';
COMMENT ON COLUMN payments.request IS 'HMAC of what was asked: the same depositId with another request is refused';
COMMENT ON COLUMN payments.amount IS 'Whole tokens; null where the customer says how much';
COMMENT ON COLUMN payments.metadata IS 'Pairs of name and value; those that are PII are in pii only';
COMMENT ON COLUMN payments.pii IS 'Phone number and PII metadata, encrypted with the sealing key';
COMMENT ON COLUMN payments.opens_until IS 'A link that was not opened by then is dead';
COMMENT ON COLUMN payments.expires_at IS 'Until when its session takes money';

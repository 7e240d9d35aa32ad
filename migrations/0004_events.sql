-- Events are written by the change itself, in its own transaction, whoever makes the change.

CREATE TABLE events (
    id          text PRIMARY KEY DEFAULT 'evt_' || replace(gen_random_uuid()::text, '-', ''),
    type        text NOT NULL,
    session_id  text REFERENCES deposit_sessions,
    business_id text NOT NULL,
    network     text NOT NULL,
    tx_hash     text,
    log_index   bigint,
    data        jsonb NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    -- Given after commit, gapless per business.
    sequence    bigint,
    -- Order of writing within a transaction; says nothing between transactions.
    position    bigint GENERATED ALWAYS AS IDENTITY,
    UNIQUE (business_id, sequence)
);
CREATE INDEX events_session ON events (session_id, position);
CREATE INDEX events_unmatched ON events ((data ->> 'depositAddress'), created_at) WHERE type = 'deposit.unmatched';
CREATE INDEX events_unsequenced ON events (position) WHERE sequence IS NULL;
COMMENT ON TABLE events IS 'What happened to sessions, in the transaction in which it happened. Append-only. W';
CREATE TRIGGER events_never_deleted BEFORE DELETE ON events FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER events_never_truncated BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();
-- Only its sequence is given later, and once.
CREATE TRIGGER events_never_rewritten BEFORE UPDATE OF id, type, session_id, business_id, network, tx_hash, log_index, data, created_at ON events
    FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER events_sequence_stands BEFORE UPDATE OF sequence ON events
    FOR EACH ROW WHEN (OLD.sequence IS NOT NULL) EXECUTE FUNCTION deposit_watcher_refuse();

-- The payload of an event about a session, as the API and webhooks show it.
CREATE FUNCTION deposit_watcher_session_json(s deposit_sessions) RETURNS jsonb LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT jsonb_build_object(
        'sessionId', s.id, 'status', s.payment_status, 'final', s.closed_at IS NOT NULL,
        'livemode', NOT coalesce((SELECT n.testnet FROM networks n WHERE n.slug = s.network), false),
        'widgetId', s.widget_id,
        'amount', trim_scale(s.amount)::text, 'requestedAmount', trim_scale(coalesce(s.requested_amount, s.amount))::text,
        'receivedAmount', trim_scale(s.received_amount)::text, 'confirmedAmount', trim_scale(s.confirmed_amount)::text,
        'currency', s.currency, 'network', s.network,
        'chainId', (SELECT n.chain_id FROM networks n WHERE n.slug = s.network),
        'currencyAddress', s.currency_address, 'depositAddress', s.deposit_address, 'txHash', s.tx_id,
        'confirmations', (SELECT greatest(0, nullif(current_setting('deposit_watcher.scanned', true), '')::bigint - max(t.block_number) + 1)
                            FROM transfers t WHERE t.session_id = s.id AND t.state <> 'ORPHANED'),
        'openedBy', s.opened_by, 'customerEmail', s.customer_email, 'customerReference', s.customer_reference, 'metadata', s.metadata)
$$;

CREATE FUNCTION deposit_sessions_tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    kind text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        kind := 'deposit.created';
    ELSIF NEW.confirmed_amount < OLD.confirmed_amount THEN
        kind := 'deposit.reverted';
    ELSE
        kind := 'deposit.' || lower(NEW.payment_status);
    END IF;
    INSERT INTO events (type, session_id, business_id, network, tx_hash, log_index, data)
    VALUES (kind, NEW.id, coalesce(NEW.business_id, 'default'), NEW.network, NEW.tx_id,
            (SELECT t.log_index FROM transfers t WHERE t.session_id = NEW.id AND t.state <> 'ORPHANED'
              ORDER BY t.block_number DESC, t.log_index DESC LIMIT 1),
            deposit_watcher_session_json(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER deposit_sessions_tell_insert AFTER INSERT ON deposit_sessions FOR EACH ROW EXECUTE FUNCTION deposit_sessions_tell();
CREATE TRIGGER deposit_sessions_tell_update AFTER UPDATE ON deposit_sessions FOR EACH ROW
    WHEN (OLD.payment_status IS DISTINCT FROM NEW.payment_status OR OLD.tx_id IS DISTINCT FROM NEW.tx_id
          OR OLD.received_amount <> NEW.received_amount OR OLD.confirmed_amount > NEW.confirmed_amount
          OR (OLD.closed_at IS NULL) <> (NEW.closed_at IS NULL))
    EXECUTE FUNCTION deposit_sessions_tell();

-- Confirmed money that belongs to no session, told to the business it was probably meant for, once a minute an address.
CREATE FUNCTION transfers_tell_unmatched() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    meant deposit_sessions;
BEGIN
    PERFORM FROM events e
      WHERE e.type = 'deposit.unmatched' AND e.data ->> 'depositAddress' = NEW.to_address AND e.created_at > now() - interval '1 minute';
    IF FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO meant FROM deposit_sessions s WHERE s.to_address = NEW.to_address
      ORDER BY s.amount = NEW.amount DESC, s.network = NEW.network DESC, s.token_address = NEW.token_address DESC, s.accepted_at DESC LIMIT 1;
    INSERT INTO events (type, session_id, business_id, network, tx_hash, log_index, data)
    VALUES ('deposit.unmatched', NULL, coalesce(meant.business_id, 'default'), NEW.network, NEW.tx_hash, NEW.log_index,
            jsonb_build_object('sessionId', NULL, 'probableSessionId', meant.id, 'reason', NEW.reason, 'amount', trim_scale(NEW.amount)::text,
                'network', NEW.network, 'chainId', (SELECT n.chain_id FROM networks n WHERE n.slug = NEW.network),
                'livemode', NOT coalesce((SELECT n.testnet FROM networks n WHERE n.slug = NEW.network), false),
                'currencyAddress', NEW.token_address, 'depositAddress', NEW.to_address, 'fromAddress', NEW.from_address,
                'txHash', NEW.tx_hash, 'blockNumber', NEW.block_number));
    RETURN NULL;
END $$;
CREATE TRIGGER transfers_tell_unmatched AFTER UPDATE OF state ON transfers FOR EACH ROW
    WHEN (NEW.state = 'CONFIRMED' AND OLD.state <> 'CONFIRMED' AND NEW.session_id IS NULL
          AND NEW.reason NOT IN ('zero', 'self_transfer', 'internal'))
    EXECUTE FUNCTION transfers_tell_unmatched();

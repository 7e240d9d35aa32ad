-- Confirmed money may leave and other money pay in its place in one change: where the row was held meanwhile, or a person
-- released what paid too much. Then both are told: what was delivered on is gone, and the session is paid.

SET LOCAL lock_timeout = '5s';

CREATE OR REPLACE FUNCTION deposit_sessions_tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    kinds text[];
    kind text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        kinds := ARRAY['deposit.created'];
    ELSIF NEW.confirmed_amount >= OLD.confirmed_amount THEN
        kinds := ARRAY['deposit.' || lower(NEW.payment_status)];
    ELSIF NEW.payment_status IN ('CONFIRMED', 'OVERPAID') THEN
        kinds := ARRAY['deposit.reverted', 'deposit.' || lower(NEW.payment_status)];
    ELSE
        kinds := ARRAY['deposit.reverted'];
    END IF;
    FOREACH kind IN ARRAY kinds LOOP
        INSERT INTO events (type, session_id, business_id, network, tx_hash, log_index, data)
        VALUES (kind, NEW.id, coalesce(NEW.business_id, 'default'), NEW.network, NEW.tx_id,
                (SELECT t.log_index FROM transfers t WHERE t.session_id = NEW.id AND t.state <> 'ORPHANED'
                  ORDER BY t.block_number DESC, t.log_index DESC LIMIT 1),
                deposit_watcher_session_json(NEW));
    END LOOP;
    RETURN NULL;
END $$;

-- What endpoints contradict each other about outlives the watcher that heard it: until another operator has been heard
-- again, none is believed alone.
ALTER TABLE networks ADD COLUMN disputed_number bigint CHECK (disputed_number >= 0);
COMMENT ON COLUMN networks.disputed_number IS 'The lowest block about which endpoints contradict each other';

//! Every metric, one row each: type, name, unit, labels, buckets, help. The manual of `/metrics` is this file.
//!
//! A [`Gauge`] row says what it is set to: a block, a time, a duration, yes or no; without that, a count. Not for how
//! they are kept ([`super::metrics`]).

use std::time::Duration;

use metrics::Unit;

use super::labels::{
    CORRECTION_KIND, DATABASE_KIND, DATABASE_STATE, ENDPOINT, ENDPOINT_STATE, FROM, HTTP_METHOD, HTTP_STATUS,
    INVALID_REASON, METHOD, NETWORK, NETWORK_OR_OTHER, PRUNED_KIND, RPC_OUTCOME, STATUS, STEP_KIND, TASK, TASK_NETWORK,
    TO, TOKEN, TRANSFER_OUTCOME, UNMATCHED_REASON, VERSION, WEBHOOK_OUTCOME, WEBHOOK_STATE,
};
use super::metrics::{AmountCounter, Counter, Description, Gauge, Histogram};
use crate::domain::{BlockNumber, Time};

/// Work of ours: a millisecond to a minute.
const STEP: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// A request: from a node next door to a deadline.
const REQUEST: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// From a block's time to PENDING: from the target of 15 ms to a catch-up of hours.
const DETECTION: &[f64] =
    &[0.005, 0.015, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0];
/// From a block's time to CONFIRMED: from one block of a fast chain to a day of waiting for finality.
const CONFIRMATION: &[f64] =
    &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_200.0, 1_800.0, 3_600.0, 14_400.0, 86_400.0];
/// Blocks that left the chain; Polygon has lost 157 at once.
const DEPTH: &[f64] = &[1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

macro_rules! table {
    ($($id:ident: $kind:ty = $name:literal $unit:ident [$($label:ident),*] $($buckets:ident)? $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: $kind =
                <$kind>::new(concat!("deposit_watcher_", $name), Unit::$unit, $help, &[$($label),*] $(, $buckets)?);
        )*

        /// Every metric there is.
        pub static TABLE: &[&Description] = &[$(&$id.description),*];
    };
}

table! {
    // Where the chain is and where we are.
    CHAIN_HEAD_BLOCK: Gauge<1, BlockNumber> = "chain_head_block" Count [NETWORK]
        "Newest block the endpoint in use has.";
    CHAIN_HEAD_TIMESTAMP_SECONDS: Gauge<1, Time> = "chain_head_timestamp_seconds" Seconds [NETWORK]
        "Timestamp of the newest block the endpoint in use has, in seconds since 1970.";
    SCANNED_BLOCK: Gauge<1, BlockNumber> = "scanned_block" Count [NETWORK]
        "Block of the committed cursor: everything up to it had its first look.";
    SCANNED_BLOCK_TIMESTAMP_SECONDS: Gauge<1, Time> = "scanned_block_timestamp_seconds" Seconds [NETWORK]
        "Timestamp of the committed cursor's block, in seconds since 1970; sessions expire by it.";
    CONFIRMED_BLOCK: Gauge<1, BlockNumber> = "confirmed_block" Count [NETWORK]
        "Everything up to this block had its second look.";
    LAG_BLOCKS: Gauge<1> = "lag_blocks" Count [NETWORK]
        "Blocks the chain has and we have not scanned.";
    LAG_SECONDS: Gauge<1, Duration> = "lag_seconds" Seconds [NETWORK]
        "Age of the scanned block while blocks wait or no head was read for three poll intervals, else 0.";
    BLOCKS_SCANNED_TOTAL: Counter<1> = "blocks_scanned_total" Count [NETWORK]
        "Blocks that had their first look, counted again when they are scanned again after a reorganisation.";
    STEP_DURATION_SECONDS: Histogram<2> = "step_duration_seconds" Seconds [NETWORK, STEP_KIND] STEP
        "Duration of a step, requests and COMMIT included, by what it did.";

    // What can be wrong with a chain.
    REORGS_TOTAL: Counter<1> = "reorgs_total" Count [NETWORK]
        "Reorganisations that were followed.";
    REORG_DEPTH_BLOCKS: Histogram<1, u64> = "reorg_depth_blocks" Count [NETWORK] DEPTH
        "Scanned blocks that left the chain in one reorganisation.";
    SECOND_LOOK_CORRECTIONS_TOTAL: Counter<2> = "second_look_corrections_total" Count [NETWORK, CORRECTION_KIND]
        "Transfers that the first look missed or invented, and blocks with transfers that it misdated, repaired by the second.";
    DISPUTED_TRANSFERS: Gauge<1> = "disputed_transfers" Count [NETWORK]
        "Transfers that the second look can say nothing of yet: looks differ and receipts have not decided, or a proof is \
         missing.";
    HALTED: Gauge<1, bool> = "halted" Count [NETWORK]
        "1 while the network is halted because it cannot be trusted.";
    LOCK_HELD: Gauge<1, bool> = "lock_held" Count [NETWORK]
        "1 while this process may commit for the network.";
    SINGLE_OPERATOR: Gauge<1, bool> = "single_operator" Count [NETWORK]
        "1 while both looks come from endpoints of one operator.";

    // Endpoints.
    RPC_REQUESTS_TOTAL: Counter<4> = "rpc_requests_total" Count [NETWORK, ENDPOINT, METHOD, RPC_OUTCOME]
        "Requests to endpoints as the provider counts them: a batch is one.";
    RPC_REQUEST_DURATION_SECONDS: Histogram<3> = "rpc_request_duration_seconds" Seconds
        [NETWORK, ENDPOINT, METHOD] REQUEST
        "Time from sending a request to its whole answer or its failure.";
    RPC_ENDPOINT_UP: Gauge<2, bool> = "rpc_endpoint_up" Count [NETWORK, ENDPOINT]
        "1 while the endpoint is usable: it answers, on the right chain.";
    RPC_ENDPOINT_STATE: Gauge<3, bool> = "rpc_endpoint_state" Count [NETWORK, ENDPOINT, ENDPOINT_STATE]
        "1 for what the endpoint is, as it was found the last time it was asked, `lying` after an answer counted as \
         `misbehaving` or a head it could not show; 0 for all else.";
    RPC_ENDPOINT_HEAD_BLOCK: Gauge<2, BlockNumber> = "rpc_endpoint_head_block" Count [NETWORK, ENDPOINT]
        "Newest block this endpoint has said it has.";

    // Money.
    TRANSFERS_TOTAL: Counter<3> = "transfers_total" Count [NETWORK, TOKEN, TRANSFER_OUTCOME]
        "Logs of configured tokens: paying a session, kept without one, to no address of ours, or no transfer at all.";
    UNMATCHED_TRANSFERS: Gauge<2> = "unmatched_transfers" Count [NETWORK, UNMATCHED_REASON]
        "Canonical transfers that belong to no session and that nobody has settled.";
    UNMATCHED_OLDEST_SECONDS: Gauge<2, Duration> = "unmatched_oldest_seconds" Seconds [NETWORK, UNMATCHED_REASON]
        "Age of the oldest of the unmatched transfers, since it was first seen; 0 without any.";
    SESSIONS: Gauge<2> = "sessions" Count [NETWORK_OR_OTHER, STATUS]
        "Sessions by status.";
    SESSION_TRANSITIONS_TOTAL: Counter<3> = "session_transitions_total" Count [NETWORK_OR_OTHER, FROM, TO]
        "Changes of a session's status.";
    SESSIONS_INVALID: Gauge<1> = "sessions_invalid" Count [INVALID_REASON]
        "Open session rows that can never be paid, by reason.";
    CONFIRMED_AMOUNT_TOTAL: AmountCounter<2> = "confirmed_amount_total" Count [NETWORK, TOKEN]
        "Confirmed money in whole tokens, parts of a token carried until they are whole; for graphs, not for books.";
    CONFIRMED_SESSIONS_TOTAL: Counter<2> = "confirmed_sessions_total" Count [NETWORK, TOKEN]
        "Sessions that became CONFIRMED, OVERPAID or UNDERPAID.";
    DETECTION_LATENCY_SECONDS: Histogram<1> = "detection_latency_seconds" Seconds [NETWORK] DETECTION
        "Time from a paying block's timestamp to its sessions being committed as PENDING.";
    CONFIRMATION_LATENCY_SECONDS: Histogram<1> = "confirmation_latency_seconds" Seconds [NETWORK] CONFIRMATION
        "Time from a paying block's timestamp to its transfers being committed as CONFIRMED.";
    REVERTED_TOTAL: Counter<1> = "reverted_total" Count [NETWORK]
        "Confirmed transfers that left the chain. Each one is an alarm.";
    AMBIGUOUS_OLDEST_TOTAL: Counter<1> = "ambiguous_oldest_total" Count [NETWORK]
        "Transfers given to the oldest of several sessions that tied.";

    RECONCILE_DIFFERENCES: Gauge<1> = "reconcile_differences" Count [NETWORK]
        "Differences between chain and books that `reconcile` found and no later run has seen gone.";
    RECONCILE_TIMESTAMP_SECONDS: Gauge<1, Time> = "reconcile_timestamp_seconds" Seconds [NETWORK]
        "When `reconcile` last compared all tokens of the network, in seconds since 1970; 0 before it ever did.";

    // Webhooks.
    WEBHOOK_ATTEMPTS_TOTAL: Counter<1> = "webhook_attempts_total" Count [WEBHOOK_OUTCOME]
        "Attempts to deliver an event to a webhook endpoint, by how they ended.";
    WEBHOOK_QUEUE: Gauge<1> = "webhook_queue" Count [WEBHOOK_STATE]
        "Deliveries never tried, tried and waiting, given up; the same number from every process that works a network, 0 from others.";

    // The API.
    HTTP_REQUESTS_TOTAL: Counter<2> = "http_requests_total" Count [HTTP_METHOD, HTTP_STATUS]
        "Requests to the API, by method and the answer's status.";
    HTTP_REQUEST_DURATION_SECONDS: Histogram<1> = "http_request_duration_seconds" Seconds [HTTP_METHOD] REQUEST
        "Time from a request's head to the head of its answer.";
    EVENT_STREAMS: Gauge<0> = "event_streams" Count []
        "Event streams of the API that are open.";

    // The database.
    DATABASE_CONNECTIONS: Gauge<2> = "database_connections" Count [DATABASE_KIND, DATABASE_STATE]
        "Connections this process may have, lent, resting or not opened; 0 of a kind that it has none of.";
    SCHEMA_MISSING_MIGRATIONS: Gauge<0> = "schema_missing_migrations" Count []
        "Migrations of this version that the database has not had.";
    SCHEMA_UNKNOWN_MIGRATIONS: Gauge<0> = "schema_unknown_migrations" Count []
        "Migrations of a newer version that the database has had.";

    PRUNED_ROWS_TOTAL: Counter<1> = "pruned_rows_total" Count [PRUNED_KIND]
        "Old rows that this process removed, as [retention] says.";

    // The process.
    TASK_HEARTBEAT_TIMESTAMP_SECONDS: Gauge<2, Time> = "task_heartbeat_timestamp_seconds" Seconds [TASK, TASK_NETWORK]
        "When the task last went round its loop, in seconds since 1970.";
    BUILD_INFO: Gauge<1, bool> = "build_info" Count [VERSION]
        "Always 1; the label is the version.";
}

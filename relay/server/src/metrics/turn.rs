//! What TURN counts. No user names: they are unbounded, and nobody else's business.

use super::{Family, Label, counter, gauge};

const TO_PEER: Label = Some(("direction", "to_peer"));
const TO_CLIENT: Label = Some(("direction", "to_client"));

const fn reason(reason: &'static str) -> Label {
    Some(("reason", reason))
}

pub(super) const FAMILIES: &[Family] = &[
    gauge(
        "millrace_turn_allocations",
        "Allocations now.",
        &[(None, |s| s.counters.turn.allocations)],
    ),
    gauge(
        "millrace_turn_permissions",
        "Permissions now.",
        &[(None, |s| s.counters.turn.permissions)],
    ),
    gauge("millrace_turn_channels", "Channels now.", &[(None, |s| s.counters.turn.channels)]),
    gauge(
        "millrace_turn_reservations",
        "Reserved ports now.",
        &[(None, |s| s.counters.turn.reservations)],
    ),
    gauge(
        "millrace_turn_ports_free",
        "Ports of relayed addresses that are free.",
        &[(None, |s| s.counters.turn.ports_free)],
    ),
    gauge(
        "millrace_turn_ports_used",
        "Ports of relayed addresses in use.",
        &[(None, |s| s.counters.turn.ports_used)],
    ),
    gauge(
        "millrace_turn_relayed_addresses",
        "Sockets of relayed addresses.",
        &[(None, |s| s.io.relayed)],
    ),
    counter(
        "millrace_turn_allocations_created_total",
        "Allocations that were made.",
        &[(None, |s| s.counters.turn.created)],
    ),
    counter(
        "millrace_turn_allocations_adopted_total",
        "Allocations of an earlier process that went on.",
        &[(None, |s| s.counters.turn.adopted)],
    ),
    counter(
        "millrace_turn_allocations_ended_total",
        "Allocations that ended: expired or given up, or ended by an operator.",
        &[
            (reason("over"), |s| s.counters.turn.ended - s.counters.turn.kicked),
            (reason("kicked"), |s| s.counters.turn.kicked),
        ],
    ),
    counter(
        "millrace_turn_allocations_moved_total",
        "Allocations that went on on another path of their client.",
        &[(None, |s| s.counters.turn.moved)],
    ),
    counter(
        "millrace_turn_refreshed_total",
        "Refresh requests that were granted.",
        &[(None, |s| s.counters.turn.refreshed)],
    ),
    counter(
        "millrace_turn_packets_total",
        "Packets relayed.",
        &[(TO_PEER, |s| s.counters.turn.sent), (TO_CLIENT, |s| s.counters.turn.received)],
    ),
    counter(
        "millrace_turn_bytes_total",
        "Payload bytes of the packets relayed.",
        &[
            (TO_PEER, |s| s.counters.turn.sent_bytes),
            (TO_CLIENT, |s| s.counters.turn.received_bytes),
        ],
    ),
    counter(
        "millrace_turn_unreachable_total",
        "ICMP errors passed on to clients.",
        &[(None, |s| s.counters.turn.unreachable)],
    ),
    counter(
        "millrace_turn_challenges_total",
        "Requests without credentials that were challenged.",
        &[(None, |s| s.counters.turn.challenges)],
    ),
    counter(
        "millrace_turn_auth_failures_total",
        "Requests that are not authenticated, by reason.",
        &[
            (reason("unauthorized"), |s| s.counters.turn.unauthorized),
            (reason("stale_nonce"), |s| s.counters.turn.stale_nonces),
            (reason("malformed"), |s| s.counters.turn.malformed),
            (reason("unanswered"), |s| s.counters.turn.unanswered),
        ],
    ),
    counter(
        "millrace_turn_sockets_refused_total",
        "Relayed addresses that could not be opened, by reason.",
        &[
            (reason("in_use"), |s| s.io.relayed_in_use),
            (reason("no_resources"), |s| s.io.relayed_failed),
        ],
    ),
];

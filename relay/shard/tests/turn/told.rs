//! What a shard tells of channels, against the model.

use super::history::standing;
use super::model::{Model, Standing};
use super::world::World;
use relay_shard::{Binding, BindingKey, Path, Via};
use std::collections::BTreeMap;

/// Checks what a world was told against the model: channels of clients that send datagrams, to
/// peers that have a permission. The model counts allocations in its own way.
pub(crate) fn compare(world: &World, model: &Model, path: impl Fn(usize) -> Path) {
    let mut expected = BTreeMap::new();
    for (client, allocation) in &model.allocations {
        let client = path(*client);
        for (number, (peer, expires)) in &allocation.channels {
            let mut leases = allocation.relayed.iter();
            let lease = leases.find(|(at, _)| at.is_ipv4() == peer.is_ipv4());
            let (Some((relayed, leased)), Some(permitted)) =
                (lease, allocation.permissions.get(&peer.ip()))
            else {
                continue;
            };
            let key = BindingKey { client, number: *number };
            let bound = Binding {
                key,
                relayed: *relayed,
                peer: *peer,
                inside: matches!(standing(*peer), Standing::Ours { .. }),
                expires: *expires.min(permitted).min(leased),
                bandwidth_bps: None,
                allocation: 0,
            };
            if client.via == Via::Udp {
                expected.insert(key, bound);
            }
        }
    }
    let told = world.bindings.values().map(|told| Binding { allocation: 0, ..*told });
    assert!(told.eq(expected.into_values()), "{:#?}", world.bindings);
}

//! Every allocation of a shard with its permissions and channels, found by hash only.
//!
//! Permissions and channels stand in tables of all allocations: one that is idle has none of its
//! own. What stands in a table is valid: `prune` takes out what has expired.
//!
//! Whatever changes an allocation notes it; `news` tells what that means for others.

use super::allocation::{Allocation, Key};
use super::offload::{Binding, BindingKey, Rules};
use super::standing::Standing;
use crate::hash::{Map, map};
use crate::outbox::Event;
use crate::{Path, Via};
use relay_wire::stun::Family;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Permissions of one allocation.
pub(super) const PERMISSIONS_MAX: usize = 256;

/// Channels of one allocation.
pub(super) const CHANNELS_MAX: usize = 256;

/// A peer address may send and be sent to (RFC 8656, section 9).
#[derive(Clone, Copy, Debug)]
pub(super) struct Permission {
    expires: Instant,
    /// The address is one of ours: what is sent there stays inside, or is refused.
    pub(super) ours: bool,
}

/// A channel is bound to a peer (RFC 8656, section 12).
#[derive(Clone, Debug)]
struct Channel {
    peer: SocketAddr,
    expires: Instant,
    /// What others were told of it, if they were.
    told: Option<Box<Binding>>,
}

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindError {
    /// The number has another peer, or the peer another number.
    Conflict,
    /// The allocation has as many as it may.
    Full,
}

/// The allocations of one shard.
pub(super) struct Table {
    places: Vec<Option<Box<Allocation>>>,
    holes: Vec<u32>,
    by_client: Map<Path, Key>,
    by_relayed: Map<SocketAddr, Key>,
    permissions: Map<(Key, IpAddr), Permission>,
    channels: Map<(Key, u16), Channel>,
    by_peer: Map<(Key, SocketAddr), u16>,
    /// Whether changes are noted.
    tells: bool,
    /// Allocations that were changed since `news` was asked last.
    changed: Vec<Key>,
    /// Channels and allocations that others were told of, and that are gone since.
    gone: Vec<Event>,
}

impl Table {
    /// No allocations; `seed` keys the hashes. `tells`: there will be somebody to ask for `news`.
    pub(super) fn new(seed: u64, tells: bool) -> Self {
        Self {
            places: Vec::new(),
            holes: Vec::new(),
            by_client: map(seed),
            by_relayed: map(seed),
            permissions: map(seed),
            channels: map(seed),
            by_peer: map(seed),
            tells,
            changed: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Adds an allocation. Its client's path and its relayed addresses must be free.
    pub(super) fn insert(&mut self, allocation: Allocation) -> Key {
        let place = self.holes.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.put(Key(place), allocation);

        Key(place)
    }

    /// Adds an allocation in this place, which must be free, too.
    pub(super) fn insert_at(&mut self, key: Key, allocation: Allocation) {
        while self.places.len() <= key.0 as usize {
            self.holes.push(self.places.len() as u32);
            self.places.push(None);
        }
        self.holes.retain(|hole| *hole != key.0);
        self.put(key, allocation);
    }

    fn put(&mut self, key: Key, allocation: Allocation) {
        self.by_client.insert(allocation.client, key);
        for lease in allocation.relayed.iter() {
            self.by_relayed.insert(lease.address, key);
        }
        self.places[key.0 as usize] = Some(Box::new(allocation));
        self.note(key);
    }

    /// Takes out an allocation with all that belongs to it.
    pub(super) fn remove(&mut self, key: Key) -> Option<Box<Allocation>> {
        let mut allocation = self.places.get_mut(key.0 as usize)?.take()?;
        self.holes.push(key.0);
        self.by_client.remove(&allocation.client);
        for lease in allocation.relayed.iter() {
            self.by_relayed.remove(&lease.address);
        }
        for ip in allocation.permissions.drain(..) {
            self.permissions.remove(&(key, ip));
        }
        for number in allocation.channels.drain(..) {
            if let Some(channel) = self.channels.remove(&(key, number)) {
                self.by_peer.remove(&(key, channel.peer));
                self.gone.extend(channel.told.map(|told| Event::ChannelUnbound(told.key)));
            }
        }
        if allocation.told {
            self.gone.push(Event::AllocationEnded(allocation.id));
        }

        Some(allocation)
    }

    /// The allocation in this place.
    pub(super) fn get(&self, key: Key) -> Option<&Allocation> {
        self.places.get(key.0 as usize)?.as_deref()
    }

    /// The same, to change.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Allocation> {
        self.places.get_mut(key.0 as usize)?.as_deref_mut()
    }

    /// Whose client sends on this path.
    pub(super) fn of_client(&self, path: &Path) -> Option<Key> {
        self.by_client.get(path).copied()
    }

    /// Whose relayed address this is, in its local form.
    pub(super) fn of_relayed(&self, relayed: &SocketAddr) -> Option<Key> {
        self.by_relayed.get(relayed).copied()
    }

    /// Every allocation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Allocation)> {
        let places = self.places.iter().enumerate();

        places.filter_map(|(place, found)| Some((Key(place as u32), found.as_deref()?)))
    }

    /// How many allocations, permissions and channels there are.
    pub(super) fn len(&self) -> (usize, usize, usize) {
        (self.by_client.len(), self.permissions.len(), self.channels.len())
    }

    /// Moves an allocation to another client path, which must be free; returns the former.
    pub(super) fn move_client(&mut self, key: Key, path: Path) -> Option<Path> {
        let allocation = self.places.get_mut(key.0 as usize)?.as_deref_mut()?;
        let former = std::mem::replace(&mut allocation.client, path);
        self.by_client.remove(&former);
        self.by_client.insert(path, key);
        self.note(key);

        Some(former)
    }

    /// Whether so many peer addresses more may have permissions.
    pub(super) fn has_room(&self, key: Key, peers: impl Iterator<Item = IpAddr>) -> bool {
        let new = peers.filter(|ip| !self.permissions.contains_key(&(key, *ip))).count();
        let old = self.get(key).map_or(0, |allocation| allocation.permissions.len());

        old + new <= PERMISSIONS_MAX
    }

    /// Installs a permission, or refreshes it; false when the allocation has too many.
    pub(super) fn permit(&mut self, key: Key, ip: IpAddr, ours: bool, expires: Instant) -> bool {
        let Some(allocation) = self.places.get_mut(key.0 as usize) else { return false };
        let Some(allocation) = allocation else { return false };
        if !self.permissions.contains_key(&(key, ip)) {
            if allocation.permissions.len() >= PERMISSIONS_MAX {
                return false;
            }
            allocation.permissions.push(ip);
        }
        self.permissions.insert((key, ip), Permission { expires, ours });
        self.note(key);

        true
    }

    /// The permission of a peer address.
    pub(super) fn permission(&self, key: Key, ip: IpAddr) -> Option<Permission> {
        self.permissions.get(&(key, ip)).copied()
    }

    /// Ends permissions and channels of peer addresses that are not `allowed` any more.
    pub(super) fn revoke(&mut self, mut allowed: impl FnMut(IpAddr) -> bool) {
        for place in 0..self.places.len() {
            self.retain(Key(place as u32), |ip, _| allowed(ip));
        }
    }

    /// Binds a channel, or refreshes it.
    pub(super) fn bind(
        &mut self,
        key: Key,
        number: u16,
        peer: SocketAddr,
        expires: Instant,
    ) -> Result<(), BindError> {
        let by_number = self.channels.get_mut(&(key, number));
        match (by_number, self.by_peer.get(&(key, peer))) {
            (Some(channel), Some(bound)) if channel.peer == peer && *bound == number => {
                channel.expires = expires;
                self.note(key);
                return Ok(());
            }
            (None, None) => {}
            _ => return Err(BindError::Conflict),
        }
        let Some(allocation) = self.get_mut(key) else { return Err(BindError::Full) };
        if allocation.channels.len() >= CHANNELS_MAX {
            return Err(BindError::Full);
        }
        allocation.channels.push(number);
        self.channels.insert((key, number), Channel { peer, expires, told: None });
        self.by_peer.insert((key, peer), number);
        self.note(key);

        Ok(())
    }

    /// The peer that a channel is bound to.
    pub(super) fn channel(&self, key: Key, number: u16) -> Option<SocketAddr> {
        self.channels.get(&(key, number)).map(|channel| channel.peer)
    }

    /// The channel that is bound to a peer.
    pub(super) fn channel_of(&self, key: Key, peer: &SocketAddr) -> Option<u16> {
        self.by_peer.get(&(key, *peer)).copied()
    }

    /// Takes out permissions and channels that have expired.
    pub(super) fn prune(&mut self, key: Key, now: Instant) {
        self.retain(key, |_, expires| expires > now);
    }

    /// Takes out a relayed address that has expired.
    pub(super) fn take_expired(&mut self, key: Key, now: Instant) -> Option<SocketAddr> {
        let expired = self.get_mut(key)?.relayed.take_expired(now)?;
        self.by_relayed.remove(&expired);
        self.note(key);

        Some(expired)
    }

    /// Sets the expiry of one family's relayed address, or of all.
    pub(super) fn extend(&mut self, key: Key, family: Option<Family>, expires: Instant) {
        if let Some(allocation) = self.get_mut(key) {
            allocation.relayed.refresh(family, expires);
            self.note(key);
        }
    }

    /// Notes which permissions are for addresses of ours.
    pub(super) fn mark_ours(&mut self, ours: impl Fn(IpAddr) -> bool) {
        for ((_, ip), permission) in &mut self.permissions {
            permission.ours = ours(*ip);
        }
        (0..self.places.len()).for_each(|place| self.note(Key(place as u32)));
    }

    /// Notes that an allocation is not what others were told.
    fn note(&mut self, key: Key) {
        if self.tells && self.changed.last() != Some(&key) {
            self.changed.push(key);
        }
    }

    /// Tells which channels can be relayed elsewhere, as far as that has changed: what is over
    /// first, since a peer or a number may have been given to another channel.
    pub(super) fn news(&mut self, rules: &Rules<'_>, events: &mut Vec<Event>) {
        events.append(&mut self.gone);
        let mut changed = std::mem::take(&mut self.changed);
        for key in changed.drain(..) {
            let numbers = self.get(key).map_or(0, |allocation| allocation.channels.len());
            for at in 0..numbers {
                self.news_of(key, at, rules, events);
            }
            self.news_of_allocation(key, events);
        }
        self.changed = changed;
    }

    /// Makes everything news: whoever asks next knows nothing.
    pub(super) fn retell(&mut self) {
        self.gone.clear();
        self.channels.values_mut().for_each(|channel| channel.told = None);
        for place in 0..self.places.len() {
            let key = Key(place as u32);
            self.get_mut(key).into_iter().for_each(|allocation| allocation.told = false);
            self.note(key);
        }
    }

    /// Whether there is news.
    pub(super) fn has_news(&self) -> bool {
        !self.changed.is_empty() || !self.gone.is_empty()
    }

    fn news_of_allocation(&mut self, key: Key, events: &mut Vec<Event>) {
        let standing = self.standing(key);
        let Some(allocation) = self.get_mut(key) else { return };
        let before = std::mem::replace(&mut allocation.told, standing.is_some());
        match standing {
            Some(standing) => events.push(Event::AllocationStands(Box::new(standing))),
            None if before => events.push(Event::AllocationEnded(allocation.id)),
            None => {}
        }
    }

    /// An allocation as plain data, unless it depends on a connection.
    fn standing(&self, key: Key) -> Option<Standing> {
        let allocation = self.get(key).filter(|allocation| allocation.client.via == Via::Udp)?;
        let permissions = allocation.permissions.iter().filter_map(|ip| {
            let permission = self.permissions.get(&(key, *ip))?;
            Some((*ip, permission.expires))
        });
        let channels = allocation.channels.iter().filter_map(|number| {
            let channel = self.channels.get(&(key, *number))?;
            Some((*number, channel.peer, channel.expires))
        });

        Some(Standing {
            id: allocation.id,
            place: key.0,
            client: allocation.client,
            user: allocation.principal.name().to_owned(),
            key: allocation.principal.key().to_vec(),
            counted: allocation.counted,
            relayed: allocation.relayed.iter().map(|at| (at.address, at.expires)).collect(),
            transaction: allocation.receipt.transaction,
            lifetime: allocation.receipt.lifetime,
            mobile: allocation.mobile,
            moves: allocation.moves,
            permissions: permissions.collect(),
            channels: channels.collect(),
        })
    }

    fn news_of(&mut self, key: Key, at: usize, rules: &Rules<'_>, events: &mut Vec<Event>) {
        let Some(number) = self.get(key).and_then(|found| found.channels.get(at)).copied() else {
            return;
        };
        let now = self.binding(key, number, rules);
        let Some(channel) = self.channels.get_mut(&(key, number)) else { return };
        let before = std::mem::replace(&mut channel.told, now.map(Box::new));
        match (before.map(|told| *told), now) {
            (before, now) if before == now => {}
            (Some(before), Some(now)) if before.key == now.key => {
                events.push(Event::ChannelBound(now));
            }
            (before, now) => {
                events.extend(before.map(|before| Event::ChannelUnbound(before.key)));
                events.extend(now.map(Event::ChannelBound));
            }
        }
    }

    /// A channel by which both directions can be relayed as they are, if it is one.
    fn binding(&self, key: Key, number: u16, rules: &Rules<'_>) -> Option<Binding> {
        let allocation = self.get(key).filter(|allocation| allocation.client.via == Via::Udp)?;
        let channel = self.channels.get(&(key, number))?;
        let permission = self.permission(key, channel.peer.ip())?;
        let lease = allocation.relayed.lease_toward(channel.peer.ip())?;
        let reach = (lease.address, channel.peer);

        Some(Binding {
            key: BindingKey { client: allocation.client, number },
            relayed: lease.address,
            peer: channel.peer,
            inside: permission.ours && rules.is_inside(reach),
            expires: channel.expires.min(permission.expires).min(lease.expires),
            bandwidth_bps: rules.bandwidth_bps,
            allocation: allocation.id,
        })
        .filter(|binding| binding.inside || !permission.ours)
    }

    /// When the allocation next loses something, if nothing is refreshed.
    pub(super) fn deadline(&self, key: Key) -> Option<Instant> {
        let allocation = self.get(key)?;
        let permissions = allocation.permissions.iter();
        let permissions = permissions.filter_map(|ip| self.permissions.get(&(key, *ip)));
        let channels = allocation.channels.iter();
        let channels = channels.filter_map(|number| self.channels.get(&(key, *number)));
        let all = permissions.map(|permission| permission.expires);
        let all = all.chain(channels.map(|channel| channel.expires));

        all.chain(allocation.relayed.iter().map(|lease| lease.expires)).min()
    }

    /// Keeps the permissions and channels whose peer address and expiry please.
    fn retain(&mut self, key: Key, mut keep: impl FnMut(IpAddr, Instant) -> bool) {
        let Some(Some(allocation)) = self.places.get_mut(key.0 as usize) else { return };
        let (all, channels) = (&mut self.permissions, &mut self.channels);
        let (by_peer, gone) = (&mut self.by_peer, &mut self.gone);
        allocation.permissions.retain(|ip| {
            let standing = all.get(&(key, *ip));
            let keeps = standing.is_some_and(|permission| keep(*ip, permission.expires));
            if !keeps {
                all.remove(&(key, *ip));
            }
            keeps
        });
        allocation.channels.retain(|number| {
            let Some(channel) = channels.get(&(key, *number)) else { return false };
            let keeps = keep(channel.peer.ip(), channel.expires);
            if !keeps {
                by_peer.remove(&(key, channel.peer));
                let channel = channels.remove(&(key, *number));
                let told = channel.and_then(|channel| channel.told);
                gone.extend(told.map(|told| Event::ChannelUnbound(told.key)));
            }
            keeps
        });
        self.note(key);
    }
}

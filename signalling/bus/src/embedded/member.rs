//! One node of the process: what it registers, and how it reaches the others.

use super::Embedded;
use super::store::{Key, Map, Store, Value};
use crate::bus::{Event, Link};
use crate::local::Local;
use crate::users::{Change, Notice, Place, Presence, Present, Session, Settings, User};
use crate::users::{with_notice, without_notice};
use crate::{Error, Node, Placement, Timings, rooms};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{mpsc, watch};

/// The nodes of a process and what they hold.
#[derive(Default)]
pub(crate) struct Nodes {
    members: BTreeMap<String, Seat>,
    /// The node of each room.
    rooms: HashMap<String, String>,
    /// The number of the next to join.
    next: u64,
}

struct Seat {
    number: u64,
    node: Node,
    local: Local,
    inbox: mpsc::Sender<Event>,
    /// Whether an event was lost since the last one that was delivered.
    missed: bool,
}

/// A node's part in an `Embedded`.
pub(crate) struct Member {
    name: String,
    number: u64,
    nodes: Arc<Mutex<Nodes>>,
    pub(super) store: Store,
    pub(super) timings: Timings,
    link: watch::Sender<Link>,
}

impl Member {
    pub(super) fn new(shared: &Embedded, node: Node, inbox: mpsc::Sender<Event>) -> Self {
        let name = node.name.clone();
        let mut nodes = lock(&shared.nodes);
        nodes.leave(&name);
        nodes.tell_others(&name, &Event::NodeUp(name.clone()));
        nodes.next += 1;
        let number = nodes.next;
        let seat = Seat { number, node, local: Local::default(), inbox, missed: false };
        nodes.members.insert(name.clone(), seat);
        drop(nodes);
        let (nodes, store) = (shared.nodes.clone(), shared.store.clone());

        Self {
            name,
            number,
            nodes,
            store,
            timings: shared.timings,
            link: watch::Sender::new(Link::Up),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    pub(crate) async fn describe(&self, node: Node) -> Result<(), Error> {
        self.seat(|seat| {
            seat.node = Node { name: seat.node.name.clone(), ..node };
            Ok(())
        })
    }

    pub(crate) async fn nodes(&self) -> Result<Vec<Node>, Error> {
        Ok(lock(&self.nodes).described())
    }

    pub(crate) async fn leave(&self) -> Result<(), Error> {
        self.go();

        Ok(())
    }

    pub(crate) async fn register(&self, user: &User, session: Session) -> Result<(), Error> {
        self.seat(|seat| seat.local.register(user, session))
    }

    pub(crate) async fn remove(&self, user: &User, session: &str) -> Result<(), Error> {
        self.seat(|seat| {
            seat.local.remove(user, session);
            Ok(())
        })
    }

    pub(crate) async fn whereis(&self, user: &User) -> Result<Vec<Place>, Error> {
        Ok(lock(&self.nodes).places(user))
    }

    pub(crate) async fn presence(
        &self,
        tenant: &str,
        identities: &[String],
    ) -> Result<Vec<Presence>, Error> {
        let nodes = lock(&self.nodes);
        let presence = |identity: &String| {
            let user = User::new(tenant, identity);
            Presence::of(identity, &nodes.places(&user), &self.settings_of(&user))
        };

        Ok(identities.iter().map(presence).collect())
    }

    pub(crate) async fn present(&self, tenant: &str, max: usize) -> Result<Present, Error> {
        let mut identities: BTreeSet<String> = BTreeSet::new();
        for seat in lock(&self.nodes).members.values() {
            identities.extend(seat.local.identities(tenant));
        }
        let truncated = identities.len() > max;
        let listed: Vec<String> = identities.into_iter().take(max).collect();

        Ok(Present { users: self.presence(tenant, &listed).await?, truncated })
    }

    pub(crate) async fn settings(&self, user: &User) -> Result<Settings, Error> {
        Ok(self.settings_of(user))
    }

    pub(crate) async fn change(&self, user: &User, change: Change) -> Result<Settings, Error> {
        let slot = Key::Settings(user.clone());
        self.store
            .update(move |map: &Map, _| {
                let before = settings(map, &slot);
                let after = before.clone().changed(&change)?;
                let changed =
                    (after != before).then(|| (slot, Some(Value::Settings(after.clone()))));
                Ok((after, changed.into_iter().collect()))
            })
            .await
    }

    pub(crate) async fn hold(&self, user: &User, notice: Notice) -> Result<(), Error> {
        let slot = Key::Notices(user.clone());
        self.store
            .update(move |map: &Map, now| {
                let held = with_notice(notices(map, &slot), notice, now);
                Ok(((), vec![(slot, Some(Value::Notices(held)))]))
            })
            .await
    }

    pub(crate) async fn notices(&self, user: &User) -> Result<Vec<Notice>, Error> {
        let (slot, now) = (Key::Notices(user.clone()), self.store.unix_ms());

        Ok(self.store.read(|map| without_notice(notices(map, &slot), "", now)))
    }

    pub(crate) async fn take_back(&self, user: &User, notice: &str) -> Result<bool, Error> {
        let (slot, id) = (Key::Notices(user.clone()), notice.to_owned());
        self.store
            .update(move |map: &Map, now| {
                let before = notices(map, &slot);
                if before.iter().all(|notice| notice.id != id || notice.expires_ms <= now) {
                    return Ok((false, Vec::new()));
                }
                let after = without_notice(before, &id, now);
                let after = (!after.is_empty()).then_some(Value::Notices(after));
                Ok((true, vec![(slot, after)]))
            })
            .await
    }

    pub(crate) async fn place(&self, room: &str, region: &str) -> Result<Placement, Error> {
        let mut nodes = lock(&self.nodes);
        if let Some(node) = nodes.node_of(room) {
            return Ok(Placement { node, fresh: false });
        }
        let described = nodes.described();
        let node = rooms::choose(&described, room, region)?.clone();
        nodes.hold(room, &node.name)?;

        Ok(Placement { node, fresh: true })
    }

    pub(crate) async fn find(&self, room: &str) -> Result<Option<Node>, Error> {
        Ok(lock(&self.nodes).node_of(room))
    }

    pub(crate) async fn keep(&self, room: &str) -> Result<(), Error> {
        let mut nodes = lock(&self.nodes);
        match nodes.node_of(room) {
            Some(node) if node.name != self.name => Err(Error::Taken(node.name)),
            _ => nodes.hold(room, &self.name),
        }
    }

    pub(crate) async fn release(&self, room: &str) -> Result<(), Error> {
        let mut nodes = lock(&self.nodes);
        if nodes.rooms.get(room).is_some_and(|holder| *holder == self.name) {
            nodes.rooms.remove(room);
        }
        if let Some(seat) = nodes.members.get_mut(&self.name) {
            seat.local.rooms.remove(room);
        }

        Ok(())
    }

    pub(crate) async fn send(&self, node: &str, payload: Vec<u8>) -> Result<(), Error> {
        let mut nodes = lock(&self.nodes);
        let from = self.name.clone();
        match nodes.members.get_mut(node) {
            Some(seat) => seat.tell(Event::Message { from, payload }, node),
            None => Err(Error::NodeAway(node.to_owned())),
        }
    }

    pub(crate) async fn follow(&self, tenant: &str) -> Result<(), Error> {
        self.seat(|seat| seat.local.follow(tenant))
    }

    pub(crate) async fn unfollow(&self, tenant: &str) -> Result<(), Error> {
        self.seat(|seat| {
            seat.local.follows.remove(tenant);
            Ok(())
        })
    }

    pub(crate) async fn publish(&self, tenant: &str, payload: Vec<u8>) -> Result<(), Error> {
        let mut nodes = lock(&self.nodes);
        let others = nodes.members.iter_mut().filter(|(name, _)| **name != self.name);
        for (name, seat) in others.filter(|(_, seat)| seat.local.follows.contains(tenant)) {
            let (tenant, from) = (tenant.to_owned(), self.name.clone());
            let news = Event::Published { tenant, from, payload: payload.clone() };
            seat.missed |= seat.tell(news, name).is_err();
        }

        Ok(())
    }

    fn settings_of(&self, user: &User) -> Settings {
        self.store.read(|map| settings(map, &Key::Settings(user.clone())))
    }

    fn seat<R>(&self, act: impl FnOnce(&mut Seat) -> Result<R, Error>) -> Result<R, Error> {
        let mut nodes = lock(&self.nodes);
        let seat = nodes.members.get_mut(&self.name).filter(|seat| seat.number == self.number);

        seat.map_or_else(|| Err(Error::NodeAway(self.name.clone())), act)
    }

    fn go(&self) {
        let mut nodes = lock(&self.nodes);
        if nodes.members.get(&self.name).is_some_and(|seat| seat.number == self.number) {
            nodes.leave(&self.name);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.go();
    }
}

impl Seat {
    fn tell(&mut self, event: Event, node: &str) -> Result<(), Error> {
        if self.missed && self.inbox.try_send(Event::Gap).is_ok() {
            self.missed = false;
        }
        self.inbox.try_send(event).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Error::Full("the node's inbox"),
            mpsc::error::TrySendError::Closed(_) => Error::NodeAway(node.to_owned()),
        })
    }
}

impl Nodes {
    fn described(&self) -> Vec<Node> {
        self.members.values().map(|seat| seat.node.clone()).collect()
    }

    fn places(&self, user: &User) -> Vec<Place> {
        let places = |(name, seat): (&String, &Seat)| -> Vec<Place> {
            seat.local.places(name, user).collect()
        };

        self.members.iter().flat_map(places).collect()
    }

    fn node_of(&self, room: &str) -> Option<Node> {
        self.members.get(self.rooms.get(room)?).map(|seat| seat.node.clone())
    }

    fn hold(&mut self, room: &str, node: &str) -> Result<(), Error> {
        if let Some(seat) = self.members.get_mut(node) {
            seat.local.keep(room)?;
        }
        self.rooms.insert(room.to_owned(), node.to_owned());

        Ok(())
    }

    fn leave(&mut self, name: &str) {
        let Some(seat) = self.members.remove(name) else { return };
        for room in &seat.local.rooms {
            self.rooms.remove(room);
        }
        self.tell_others(name, &Event::NodeDown(name.to_owned()));
    }

    fn tell_others(&mut self, name: &str, event: &Event) {
        for (other, seat) in self.members.iter_mut().filter(|(other, _)| *other != name) {
            seat.missed |= seat.tell(event.clone(), other).is_err();
        }
    }
}

fn settings(map: &Map, slot: &Key) -> Settings {
    match map.get(slot) {
        Some(Value::Settings(settings)) => settings.clone(),
        _ => Settings::default(),
    }
}

fn notices<'a>(map: &'a Map, slot: &Key) -> &'a [Notice] {
    match map.get(slot) {
        Some(Value::Notices(notices)) => notices,
        _ => &[],
    }
}

fn lock(nodes: &Mutex<Nodes>) -> MutexGuard<'_, Nodes> {
    nodes.lock().unwrap_or_else(PoisonError::into_inner)
}

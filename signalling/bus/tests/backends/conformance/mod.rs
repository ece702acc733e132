//! What every backend must do, as functions of a world that the backend's own tests make.

pub(crate) mod messages;
pub(crate) mod queue;
pub(crate) mod rooms;
pub(crate) mod users;

use signalling_bus::{Bus, Event, Node, Session, Timings};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// Nodes that share a backend of their own.
pub(crate) trait World {
    /// A node joins; one of the same name is thereby gone.
    async fn join(&self, node: Node) -> (Bus, Receiver<Event>);
}

/// Times of the worlds. Redis has no virtual clock: its leases are short instead.
pub(crate) fn timings() -> Timings {
    Timings {
        lease: Duration::from_millis(600),
        retry: (Duration::from_millis(200), Duration::from_millis(400)),
        attempts_max: 3,
        ..Timings::default()
    }
}

/// A node of which no more is known than its name.
pub(crate) async fn node(world: &impl World, name: &str) -> (Bus, Receiver<Event>) {
    world.join(Node::named(name)).await
}

/// Three nodes, named a, b and c.
pub(crate) async fn three(world: &impl World) -> [(Bus, Receiver<Event>); 3] {
    [node(world, "a").await, node(world, "b").await, node(world, "c").await]
}

pub(crate) fn session(id: &str, name: &str) -> Session {
    let (id, name) = (id.to_owned(), name.to_owned());
    Session { device: format!("device of {id}"), id, name, busy: false }
}

/// Lets a lease run out.
pub(crate) async fn lease_ends() {
    tokio::time::sleep(timings().lease * 2).await;
}

/// The next event that `wanted` takes; others are passed over.
pub(crate) async fn await_event<T>(
    events: &mut Receiver<Event>,
    mut wanted: impl FnMut(Event) -> Option<T>,
) -> T {
    let found = async {
        loop {
            let event = events.recv().await.expect("the node is told things");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    };

    tokio::time::timeout(Duration::from_secs(10), found).await.expect("an event in time")
}

/// The next message: who sent it, and what.
pub(crate) async fn message(events: &mut Receiver<Event>) -> (String, Vec<u8>) {
    await_event(events, |event| match event {
        Event::Message { from, payload } => Some((from, payload)),
        _ => None,
    })
    .await
}

/// Makes a test of each function of the suite, by the module's `run`, which makes the world.
macro_rules! suite {
    () => {
        $crate::conformance::suite! { users:
            a_session_is_found_from_every_node,
            a_session_registered_again_is_changed,
            devices_and_settings_make_the_presence,
            a_tenant_lists_its_own_and_says_when_there_are_more,
            names_cannot_be_made_to_meet,
            a_dead_nodes_users_go_offline,
            a_goodbye_takes_effect_at_once,
            a_node_that_starts_anew_has_no_users,
            settings_are_kept_and_bounded,
            changes_of_settings_at_once_are_all_kept,
            notices_are_held_until_taken_back,
            only_the_newest_notices_are_held,
            expired_notices_are_gone,
            names_and_texts_have_bounds
        }
        $crate::conformance::suite! { messages:
            messages_come_in_order_and_once,
            a_node_that_is_not_there_is_an_error,
            a_node_that_does_not_listen_is_full_in_the_end,
            news_reach_those_who_follow,
            nothing_old_reaches_a_node_that_starts_anew,
            a_message_to_oneself_arrives
        }
        $crate::conformance::suite! { rooms:
            a_room_is_placed_once,
            region_and_load_decide,
            a_draining_node_keeps_its_rooms_and_takes_none,
            rooms_of_a_dead_node_are_placed_anew,
            a_room_that_was_released_is_free
        }
        $crate::conformance::suite! { queue:
            a_job_is_one_however_often_it_is_pushed,
            each_job_is_given_to_one,
            an_ended_lease_gives_the_job_to_another,
            a_renewed_lease_holds_the_job,
            a_failed_job_comes_back_after_a_pause_and_dies_in_the_end,
            a_job_whose_consumers_vanish_dies,
            a_dead_job_can_be_tried_again
        }
    };
    ($module:ident: $($name:ident),*) => { $(
        #[test]
        fn $name() {
            run(async |world| $crate::conformance::$module::$name(world).await);
        }
    )* };
}
pub(crate) use suite;

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

/// Hands the list of all cases to a macro.
macro_rules! cases {
    ($then:path) => {
        $then! {
            users::a_session_is_found_from_every_node,
            users::a_session_registered_again_is_changed,
            users::devices_and_settings_make_the_presence,
            users::a_tenant_lists_its_own_and_says_when_there_are_more,
            users::names_cannot_be_made_to_meet,
            users::a_dead_nodes_users_go_offline,
            users::a_goodbye_takes_effect_at_once,
            users::a_node_that_starts_anew_has_no_users,
            users::settings_are_kept_and_bounded,
            users::changes_of_settings_at_once_are_all_kept,
            users::notices_are_held_until_taken_back,
            users::only_the_newest_notices_are_held,
            users::expired_notices_are_gone,
            users::names_and_texts_have_bounds,
            messages::messages_come_in_order_and_once,
            messages::a_node_that_is_not_there_is_an_error,
            messages::a_node_that_does_not_listen_is_full_in_the_end,
            messages::news_reach_those_who_follow,
            messages::nothing_old_reaches_a_node_that_starts_anew,
            messages::a_message_to_oneself_arrives,
            rooms::a_room_is_placed_once,
            rooms::region_and_load_decide,
            rooms::a_draining_node_keeps_its_rooms_and_takes_none,
            rooms::rooms_of_a_dead_node_are_placed_anew,
            rooms::a_room_that_was_released_is_free,
            queue::a_job_is_one_however_often_it_is_pushed,
            queue::each_job_is_given_to_one,
            queue::an_ended_lease_gives_the_job_to_another,
            queue::a_renewed_lease_holds_the_job,
            queue::a_failed_job_comes_back_after_a_pause_and_dies_in_the_end,
            queue::a_job_whose_consumers_vanish_dies,
            queue::a_dead_job_can_be_tried_again
        }
    };
}
pub(crate) use cases;

/// Makes each case a test that the module's `run` gives a world of its own.
macro_rules! as_tests {
    ($($module:ident::$name:ident),*) => { $(
        #[test]
        fn $name() {
            run(async |world| $crate::conformance::$module::$name(world).await);
        }
    )* };
}
pub(crate) use as_tests;

/// Makes the cases a function that runs one after the other on what `fresh` makes of a world.
macro_rules! in_turn {
    ($($module:ident::$name:ident),*) => {
        /// Every case, in turn, on an emptied world.
        pub(crate) async fn all<W: World>(world: &W, mut empty: impl FnMut()) {
            $(
                empty();
                eprintln!("{}", stringify!($name));
                $module::$name(world).await;
            )*
        }
    };
}
cases!(in_turn);

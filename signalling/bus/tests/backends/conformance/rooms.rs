//! Rooms and the nodes that have them.

use super::{World, lease_ends, node, three};
use signalling_bus::{Error, Node};

pub(crate) async fn a_room_is_placed_once(world: &impl World) {
    let nodes = three(world).await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        let bus = nodes[number % 3].0.clone();
        tasks.spawn(async move { bus.place("demo", "").await.unwrap() });
    }
    let placements = tasks.join_all().await;

    let holder = &placements[0].node.name;
    assert!(placements.iter().all(|placement| placement.node.name == *holder), "{placements:?}");
    assert_eq!(placements.iter().filter(|placement| placement.fresh).count(), 1);
    let found = nodes[0].0.find("demo").await.unwrap().expect("the room's node");
    assert_eq!(found.name, *holder);
    for (bus, _) in &nodes {
        let expected =
            if bus.node() == holder { Ok(()) } else { Err(Error::Taken(holder.clone())) };
        assert_eq!(bus.keep("demo").await, expected);
    }
}

pub(crate) async fn region_and_load_decide(world: &impl World) {
    let region = |name: &str, region: &str| Node {
        region: region.to_owned(),
        url: format!("wss://{name}"),
        ..Node::named(name)
    };
    let (a, _a_events) = world.join(region("a", "eu")).await;
    let (_b, _b_events) = world.join(region("b", "us")).await;
    a.describe(Node { load: 800, ..region("a", "eu") }).await.unwrap();

    let in_europe = a.place("one", "eu").await.unwrap().node;
    assert_eq!((in_europe.name.as_str(), in_europe.load), ("a", 800));
    let anywhere = a.place("two", "").await.unwrap().node;
    assert_eq!((anywhere.name.as_str(), anywhere.url.as_str()), ("b", "wss://b"));
}

pub(crate) async fn a_draining_node_keeps_its_rooms_and_takes_none(world: &impl World) {
    let (a, _a_events) = node(world, "a").await;
    a.place("old", "").await.unwrap();
    a.keep("old").await.unwrap();
    a.describe(Node { draining: true, ..Node::named("a") }).await.unwrap();
    assert_eq!(a.place("none", "").await, Err(Error::NoNode));
    let (b, _b_events) = node(world, "b").await;

    assert_eq!(b.place("new", "").await.unwrap().node.name, "b");
    let old = b.place("old", "").await.unwrap();
    assert_eq!((old.node.name.as_str(), old.node.draining, old.fresh), ("a", true, false));
}

pub(crate) async fn rooms_of_a_dead_node_are_placed_anew(world: &impl World) {
    let (a, a_events) = node(world, "a").await;
    a.keep("demo").await.unwrap();
    let (b, _b_events) = node(world, "b").await;
    assert_eq!(b.place("demo", "").await.unwrap().node.name, "a");
    drop((a, a_events));
    lease_ends().await;

    assert_eq!(b.find("demo").await.unwrap(), None);
    let placement = b.place("demo", "").await.unwrap();
    assert_eq!((placement.node.name.as_str(), placement.fresh), ("b", true));
    b.keep("demo").await.unwrap();
}

pub(crate) async fn a_room_that_was_released_is_free(world: &impl World) {
    let [(a, _), (b, _), _c] = &three(world).await;
    a.keep("demo").await.unwrap();
    assert_eq!(b.keep("demo").await, Err(Error::Taken("a".to_owned())));
    b.release("demo").await.unwrap();
    assert_eq!(b.find("demo").await.unwrap().expect("a has it").name, "a");
    a.release("demo").await.unwrap();

    assert_eq!(b.find("demo").await.unwrap(), None);
    b.keep("demo").await.unwrap();
}

//! Which node a room is on.

use crate::{Error, Node};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Nodes whose load differs by less than this, per mille, are equally good.
const LOAD_STEP: u16 = 100;

/// Where a room is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node that holds it, or is to hold it.
    pub node: Node,
    /// Whether it was placed just now.
    pub fresh: bool,
}

/// The node that is to hold a new room: in the region if there is one, then the least loaded;
/// among those equally loaded the room's name decides, so that not all rooms go to one of them.
pub(crate) fn choose<'a>(nodes: &'a [Node], room: &str, region: &str) -> Result<&'a Node, Error> {
    let rank = |node: &&Node| {
        let elsewhere = !region.is_empty() && node.region != region;
        let mut hasher = DefaultHasher::new();
        (room, &node.name).hash(&mut hasher);
        (elsewhere, node.load / LOAD_STEP, hasher.finish())
    };

    nodes.iter().filter(|node| !node.draining).min_by_key(rank).ok_or(Error::NoNode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, region: &str, load: u16) -> Node {
        Node { region: region.to_owned(), load, ..Node::named(name) }
    }

    #[test]
    fn region_comes_before_load_and_load_before_chance() {
        let nodes = [node("a", "eu", 700), node("b", "us", 10), node("c", "eu", 300)];
        assert_eq!(choose(&nodes, "demo", "eu").unwrap().name, "c");
        assert_eq!(choose(&nodes, "demo", "").unwrap().name, "b");
        assert_eq!(choose(&nodes, "demo", "asia").unwrap().name, "b");
    }

    #[test]
    fn equal_nodes_share_rooms() {
        let nodes = [node("a", "", 5), node("b", "", 60), node("c", "", 99)];
        let count = |name: &str| {
            let rooms = (0..300).map(|n| format!("room-{n}"));
            rooms.filter(|room| choose(&nodes, room, "").unwrap().name == name).count()
        };
        for name in ["a", "b", "c"] {
            assert!((60..140).contains(&count(name)), "{name} has {}", count(name));
        }
    }

    #[test]
    fn draining_nodes_take_none() {
        let mut nodes = [node("a", "", 0), node("b", "", 900)];
        nodes[0].draining = true;
        assert_eq!(choose(&nodes, "demo", "").unwrap().name, "b");
        nodes[1].draining = true;
        assert_eq!(choose(&nodes, "demo", ""), Err(Error::NoNode));
    }
}

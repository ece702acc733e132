//! The names of what stands in Redis. What is changed together has one hash tag, so that it is on
//! one server of a Cluster.

use crate::users::User;

/// The nodes there are or were: a sorted set by the time of their last word.
pub(super) const NODES: &str = "millrace:nodes";

/// A name in which nothing is left that could end a hash tag or meet another name.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02x}")),
        }
    }

    text
}

fn user(kind: &str, user: &User) -> String {
    format!("millrace:{kind}:{{{}/{}}}", escaped(&user.tenant), escaped(&user.identity))
}

/// A hash: node → incarnation and sessions of the user there.
pub(super) fn sessions(of: &User) -> String {
    user("user", of)
}

/// A text: what the user has set.
pub(super) fn settings(of: &User) -> String {
    user("settings", of)
}

/// A text: what is held for the user.
pub(super) fn notices(of: &User) -> String {
    user("notices", of)
}

/// A set: identities of a tenant that are connected to a node.
pub(super) fn present(tenant: &str, node: &str, incarnation: &str) -> String {
    format!("millrace:present:{{{}}}:{}:{incarnation}", escaped(tenant), escaped(node))
}

/// A hash: node → incarnation of those who follow a tenant.
pub(super) fn followers(tenant: &str) -> String {
    format!("millrace:followers:{{{}}}", escaped(tenant))
}

/// A text: a node's incarnation, a blank, what it says of itself.
pub(super) fn node(name: &str) -> String {
    format!("millrace:node:{{{}}}", escaped(name))
}

/// A list: messages for an incarnation of a node. The scripts make the same name.
pub(super) fn inbox(node: &str, incarnation: &str) -> String {
    format!("{}:{incarnation}", self::node(node))
}

/// A text: the node and incarnation that have a room.
pub(super) fn room(name: &str) -> String {
    format!("millrace:room:{{{}}}", escaped(name))
}

/// The keys of a queue: its stream, payloads, attempts, jobs that pause, reasons of the dead.
pub(super) fn queue(name: &str) -> [String; 5] {
    let part = |part: &str| format!("millrace:queue:{{{}}}:{part}", escaped(name));

    ["stream", "jobs", "attempts", "later", "dead"].map(part)
}

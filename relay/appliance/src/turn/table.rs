//! Allocations as text for people and as JSON for programs.

use relay_server::control::Allocation;
use serde_json::{Value, json};

const HEAD: [&str; 8] =
    ["ID", "USER", "CLIENT", "RELAYED", "EXPIRES", "CHANNELS", "SENT", "RECEIVED"];
/// Characters of a user name that a line shows.
const USER_CHARACTERS: usize = 40;

/// A table with a head; columns are as wide as their longest cell.
pub(crate) fn aligned(allocations: &[Allocation]) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(allocations.iter().map(row));
    let mut widths = [0; HEAD.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }

    text
}

/// A JSON array with an object for each allocation.
pub(crate) fn json(allocations: &[Allocation]) -> serde_json::Result<String> {
    let object = |a: &Allocation| -> Value {
        json!({
            "id": a.id,
            "user": a.user,
            "client": a.client,
            "transport": transport(a),
            "relayed": a.relayed,
            "permissions": a.permissions,
            "channels": a.channels,
            "expires_in_seconds": a.expires_in_seconds,
            "sent": { "packets": a.sent_packets, "bytes": a.sent_bytes },
            "received": { "packets": a.received_packets, "bytes": a.received_bytes },
        })
    };
    let all: Vec<Value> = allocations.iter().map(object).collect();

    serde_json::to_string_pretty(&all).map(|text| text + "\n")
}

fn row(a: &Allocation) -> [String; HEAD.len()] {
    let relayed: Vec<String> = a.relayed.iter().map(ToString::to_string).collect();

    [
        a.id.to_string(),
        shown(&a.user),
        format!("{}/{}", a.client, transport(a)),
        relayed.join(","),
        time(a.expires_in_seconds),
        a.channels.to_string(),
        bytes(a.sent_bytes),
        bytes(a.received_bytes),
    ]
}

fn transport(a: &Allocation) -> &'static str {
    if a.stream { "tcp" } else { "udp" }
}

/// A user name on one line: whoever chose it cannot write to the operator's terminal.
fn shown(user: &str) -> String {
    let plain = |c: char| if c.is_control() || c == ' ' { '?' } else { c };
    let mut text: String = user.chars().take(USER_CHARACTERS).map(plain).collect();
    if user.chars().count() > USER_CHARACTERS {
        text.push('…');
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

/// Seconds as `9m05s`.
fn time(seconds: u64) -> String {
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

/// Bytes as `1.5 MB`, in steps of a thousand.
fn bytes(count: u64) -> String {
    let mut amount = count as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if amount < 1_000.0 {
            return if unit == "B" { format!("{count} B") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1_000.0;
    }

    format!("{amount:.1} TB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(id: u64, user: &str) -> Allocation {
        Allocation {
            id,
            user: user.to_owned(),
            client: "192.0.2.9:5000".parse().unwrap(),
            stream: id.is_multiple_of(2),
            relayed: vec!["198.51.100.1:50000".parse().unwrap()],
            permissions: 1,
            channels: 2,
            expires_in_seconds: 545,
            sent_packets: 3,
            sent_bytes: 1_500_000,
            received_packets: 4,
            received_bytes: 999,
        }
    }

    #[test]
    fn columns_stand_below_their_heads() {
        let text = aligned(&[allocation(1, "ann"), allocation(12, "someone-else")]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3);
        let column = |head: &str| lines[0].find(head).unwrap();
        assert!(lines[1][column("CLIENT")..].starts_with("192.0.2.9:5000/udp "), "{text}");
        assert!(lines[2][column("CLIENT")..].starts_with("192.0.2.9:5000/tcp "), "{text}");
        assert!(lines[1][column("EXPIRES")..].starts_with("9m05s"), "{text}");
        assert!(lines[1][column("SENT")..].starts_with("1.5 MB"), "{text}");
        assert!(lines[2].ends_with("999 B"), "{text}");
        assert_eq!(aligned(&[]).lines().count(), 1);
    }

    #[test]
    fn a_user_name_cannot_write_to_the_terminal() {
        assert_eq!(shown("a\x1b[2Jb\nc d"), "a?[2Jb?c?d");
        assert_eq!(shown(""), "-");
        assert_eq!(shown(&"x".repeat(200)).chars().count(), USER_CHARACTERS + 1);
    }

    #[test]
    fn json_says_all_of_it() {
        let text = json(&[allocation(2, "a\"b")]).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read[0]["user"], "a\"b");
        assert_eq!(read[0]["transport"], "tcp");
        assert_eq!(read[0]["sent"]["bytes"], 1_500_000);
        assert_eq!(json(&[]).unwrap(), "[]\n");
    }
}

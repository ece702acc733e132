//! VLAN interfaces of this machine, as the kernel lists them: routes name them, frames leave by the
//! interface below with a tag.

use std::collections::HashMap;

/// The protocol of a tag (IEEE 802.1Q).
const PROTOCOL: u16 = 0x8100;

/// The most tags that frames have.
const TAGS_MAX: usize = 2;

/// Name, VLAN and interface below, of each line of `/proc/net/vlan/config` behind its two headings.
pub(crate) fn parse(config: &str) -> HashMap<String, (u16, String)> {
    let line = |line: &str| {
        let mut fields = line.split('|').map(str::trim);
        let (name, vlan, below) = (fields.next()?, fields.next()?, fields.next()?);
        Some((name.to_owned(), (vlan.parse().ok()?, below.to_owned())))
    };

    config.lines().filter_map(line).collect()
}

/// The tags of frames that leave by a VLAN interface, outer first, and the interface that is not
/// one below it; `None` if it is none, or has too many.
pub(crate) fn tags(
    vlans: &HashMap<String, (u16, String)>,
    name: &str,
) -> Option<(String, Vec<[u16; 2]>)> {
    let mut tags = Vec::new();
    let mut name = name;
    while let Some((vlan, below)) = vlans.get(name) {
        tags.insert(0, [PROTOCOL, *vlan]);
        name = below;
        if tags.len() > TAGS_MAX {
            return None;
        }
    }

    (!tags.is_empty()).then(|| (name.to_owned(), tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "VLAN Dev name    | VLAN ID\n\
        Name-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n\
        eth0.10        | 10  | eth0\n\
        office         | 20  | eth0.10\n\
        deep           | 30  | office\n\
        loop           | 40  | loop\n";

    #[test]
    fn tags_are_those_of_all_interfaces_on_the_way_down() {
        let vlans = parse(CONFIG);

        assert_eq!(vlans.len(), 4);
        assert_eq!(tags(&vlans, "eth0"), None);
        assert_eq!(tags(&vlans, "eth0.10"), Some(("eth0".to_owned(), vec![[0x8100, 10]])));
        let both = vec![[0x8100, 10], [0x8100, 20]];
        assert_eq!(tags(&vlans, "office"), Some(("eth0".to_owned(), both)));
    }

    #[test]
    fn more_tags_than_two_and_nonsense_are_left_to_the_stack() {
        let vlans = parse(CONFIG);

        assert_eq!(tags(&vlans, "deep"), None);
        assert_eq!(tags(&vlans, "loop"), None);
        assert!(parse("\n|\n | |\nx | y | z\n").is_empty());
    }
}

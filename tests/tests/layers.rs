//! Who may import whom: the table of ARCHITECTURE.md, read against `cargo metadata`.

use cargo_metadata::{DependencyKind, MetadataCommand, Package};
use std::collections::BTreeSet;

/// A package and the packages of this workspace that it may use.
const LAYERS: &[(&str, &[&str])] = &[
    ("millrace", &["relay-server", "relay-recorder", "signalling-server"]),
    ("relay-server", &["relay-shard", "relay-wire", "ebpf-loader", "ebpf-common"]),
    ("relay-recorder", &["relay-wire", "signalling-bus"]),
    ("signalling-server", &["signalling-switchboard", "signalling-bus", "relay-wire"]),
    ("relay-shard", &["relay-wire"]),
    ("signalling-switchboard", &["relay-wire"]),
    ("signalling-bus", &[]),
    ("relay-wire", &[]),
    ("ebpf-loader", &["ebpf-common"]),
    ("ebpf-common", &[]),
    ("millrace-bench", &["ebpf-loader", "relay-wire", "signalling-switchboard"]),
    (
        "millrace-tests",
        &[
            "ebpf-common",
            "ebpf-loader",
            "relay-server",
            "relay-shard",
            "relay-wire",
            "signalling-server",
            "signalling-switchboard",
        ],
    ),
];

#[test]
fn every_import_follows_the_table() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let members: BTreeSet<&str> =
        metadata.packages.iter().map(|package| package.name.as_str()).collect();
    let wrong: Vec<String> =
        metadata.packages.iter().flat_map(|package| wrong_edges(package, &members)).collect();

    assert!(members.len() >= 8, "the workspace was not read: {members:?}");
    assert!(wrong.is_empty(), "imports that ARCHITECTURE.md does not allow:\n{}", wrong.join("\n"));
}

#[test]
fn pure_crates_ban_clocks_sockets_and_unsafe() {
    for crate_path in ["relay/wire", "relay/shard", "signalling/switchboard"] {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let lib = std::fs::read_to_string(format!("{root}/{crate_path}/src/lib.rs")).unwrap();
        let clippy = std::fs::read_to_string(format!("{root}/{crate_path}/clippy.toml")).unwrap();

        assert!(lib.contains("#![forbid(unsafe_code)]"), "{crate_path} does not forbid unsafe");
        for banned in ["Instant::now", "SystemTime::now", "UdpSocket", "thread::spawn"] {
            assert!(clippy.contains(banned), "{crate_path}/clippy.toml does not ban {banned}");
        }
    }
}

fn wrong_edges(package: &Package, members: &BTreeSet<&str>) -> Vec<String> {
    let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == package.name.as_str()) else {
        return vec![format!("{} is not in the table", package.name)];
    };
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Build)
        .filter(|dependency| members.contains(dependency.name.as_str()))
        .filter(|dependency| !allowed.contains(&dependency.name.as_str()))
        .map(|dependency| format!("{} -> {}", package.name, dependency.name))
        .collect()
}

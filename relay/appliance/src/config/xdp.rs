//! The keys of what the kernel relays and steers.

use super::error::ConfigError;
use super::settings::Setting;
use relay_server::{SteerSettings, XdpMode, XdpSettings};
use std::path::PathBuf;

/// Bytes of the longest name of an interface.
const NAME_BYTES_MAX: usize = 15;
/// Channels that the kernel has room for: 130 MiB at most, most of it only when it is used.
const BINDINGS: u32 = 65_536;
const BINDINGS_MAX: u64 = 1 << 20;
/// Flows whose shard the kernel can know: 10 MiB in each of two maps.
const FLOWS: u32 = 65_536;
const FLOWS_MAX: u64 = 1 << 20;

/// What is set of bringing datagrams to their shards.
#[derive(Clone, Copy)]
pub(crate) struct Steer {
    /// `xdp.steer`; `None`: where interfaces are named.
    sockets: Option<bool>,
    /// `xdp.place`.
    cpus: bool,
    /// `xdp.flows_max`.
    flows_max: u32,
}

impl Steer {
    pub(super) fn unset() -> Self {
        Self { sockets: None, cpus: false, flows_max: FLOWS }
    }

    /// What is asked of the kernel, with these interfaces.
    pub(super) fn settings(self, interfaces: &[String]) -> Result<SteerSettings, ConfigError> {
        let Self { sockets, cpus, flows_max } = self;
        if cpus && interfaces.is_empty() {
            let problem = "is true, but xdp.interface is not set: name the interfaces".to_owned();
            return Err(ConfigError::Contradiction { key: "xdp.place", problem });
        }
        let sockets = sockets.unwrap_or(!interfaces.is_empty());

        Ok(SteerSettings { sockets, cpus, flows_max })
    }
}

/// What the kernel relays as long as no interface is named: nothing.
pub(super) fn unset() -> XdpSettings {
    XdpSettings {
        interfaces: Vec::new(),
        mode: XdpMode::Driver,
        pins: PathBuf::from("/sys/fs/bpf/millrace"),
        bindings_max: BINDINGS,
    }
}

/// Applies the setting of a key that begins with `xdp.`.
pub(super) fn apply(
    xdp: &mut XdpSettings,
    steer: &mut Steer,
    key: &str,
    setting: &Setting,
) -> Result<(), ConfigError> {
    match key {
        "interface" => xdp.interfaces = interfaces(setting)?,
        "mode" => {
            let choices = [("driver", XdpMode::Driver), ("generic", XdpMode::Generic)];
            xdp.mode = setting.one_of(&choices)?;
        }
        "pins" => xdp.pins = setting.filled()?.into(),
        "steer" => steer.sockets = Some(setting.flag()?),
        "place" => steer.cpus = setting.flag()?,
        "flows_max" => steer.flows_max = setting.whole(1..=FLOWS_MAX)? as u32,
        _ => xdp.bindings_max = setting.whole(1..=BINDINGS_MAX)? as u32,
    }

    Ok(())
}

fn interfaces(setting: &Setting) -> Result<Vec<String>, ConfigError> {
    let what = "an interface, as \"eth0\"";
    let mut names: Vec<String> = setting.list_or_one(what)?;
    let is_name = |name: &String| {
        (1..=NAME_BYTES_MAX).contains(&name.len())
            && !name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
    };
    if let Some(wrong) = names.iter().find(|name| !is_name(name)) {
        return Err(setting.wrong(format!("\"{wrong}\" is not {what}")));
    }
    names.sort();
    names.dedup();

    Ok(names)
}

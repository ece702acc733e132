//! The keys of what the kernel relays.

use super::error::ConfigError;
use super::settings::Setting;
use relay_server::{XdpMode, XdpSettings};
use std::path::PathBuf;

/// Bytes of the longest name of an interface.
const NAME_BYTES_MAX: usize = 15;
/// Channels that the kernel has room for: 130 MiB at most, most of it only when it is used.
const BINDINGS: u32 = 65_536;
const BINDINGS_MAX: u64 = 1 << 20;

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

//! Other people's servers, each described by a TOML file: how to start it and how to reach it.

use super::template::Template;
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Those that come with this program.
const BUILT_IN: [(&str, &str); 3] = [
    ("coturn.toml", include_str!("adapters/coturn.toml")),
    ("janus.toml", include_str!("adapters/janus.toml")),
    ("janus-tuned.toml", include_str!("adapters/janus-tuned.toml")),
];
/// Names of columns that are not adapters'.
const RESERVED: [&str; 5] = ["millrace", "millrace-xdp", "bare", "bare+gso", "server"];

/// A server that can be started and measured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adapter {
    /// The name of its column.
    pub(crate) name: String,
    /// What it is measured as.
    pub(crate) kind: Kind,
    /// Debian's package that has it, or where to get it.
    package: String,
    /// The program: a name to look for in `PATH`, or a path.
    pub(super) program: String,
    /// Arguments that make it print its version.
    version: Vec<String>,
    /// Its arguments.
    #[serde(default)]
    pub(super) arguments: Vec<Template>,
    /// Its environment, beyond ours.
    #[serde(default)]
    pub(super) environment: BTreeMap<String, Template>,
    /// How to know that it is ready.
    pub(super) ready: Ready,
    /// Files that it needs, in a directory of its own.
    #[serde(default)]
    pub(super) files: BTreeMap<String, Template>,
    /// How clients reach it as a TURN server.
    pub(super) turn: Option<TurnAccess>,
    /// How participants join its rooms.
    pub(super) join: Option<JoinAccess>,
}

/// What a server is measured as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// It relays for TURN's clients.
    Turn,
    /// It forwards media in rooms.
    Sfu,
}

/// How to know that a server is ready.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Ready {
    /// It takes TCP connections here.
    Tcp(Template),
    /// It answers STUN Binding requests here.
    Stun(Template),
    /// It has written a line with this text in it.
    Log(Template),
}

/// How clients reach a TURN server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TurnAccess {
    /// Where it listens, by UDP and TCP.
    pub(super) address: Template,
    /// Where it listens for TLS, if it does.
    pub(super) tls: Option<Template>,
    /// Who its clients are; without it nobody is asked.
    pub(super) user: Option<Template>,
    /// Their password.
    pub(super) password: Option<Template>,
}

/// How participants join a server's rooms.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinAccess {
    /// What is spoken.
    pub(super) protocol: Protocol,
    /// Where, as `ws://HOST:PORT`.
    pub(super) url: Template,
    /// Key of the tokens (LiveKit, WHIP).
    pub(super) key: Option<Template>,
    /// Its secret.
    pub(super) secret: Option<Template>,
}

/// How participants join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// LiveKit's signalling.
    Livekit,
    /// WHIP to publish, WHEP to play: at `/whip/ROOM` and `/whep/ROOM`.
    Whip,
    /// The VideoRoom of Janus, by WebSocket.
    Janus,
}

impl Kind {
    /// The one of this kind with a name.
    pub(crate) fn find<'a>(self, adapters: &'a [Adapter], name: &str) -> Result<&'a Adapter> {
        let all = || adapters.iter().filter(|adapter| adapter.kind == self);
        let Some(adapter) = all().find(|adapter| adapter.name == name) else {
            let known: Vec<_> = all().map(|adapter| adapter.name.as_str()).collect();
            bail!(
                "no {} `{name}` is described: there are {}; --adapter FILE adds others",
                match self {
                    Self::Turn => "TURN server",
                    Self::Sfu => "server with rooms",
                },
                known.join(", ")
            );
        };

        Ok(adapter)
    }
}

impl Protocol {
    /// Its name, as adapters have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Livekit => "livekit",
            Self::Whip => "whip",
            Self::Janus => "janus",
        }
    }
}

impl Adapter {
    /// Those that come with this program.
    pub(crate) fn built_in() -> Vec<Self> {
        let parse = |(name, text)| Self::parse(name, text).expect("tests parse them");

        BUILT_IN.map(parse).into()
    }

    /// Those that come with this program, and those in files; an error names file, line and key.
    pub(crate) fn all(files: &[impl AsRef<Path>]) -> Result<Vec<Self>> {
        let mut all = Self::built_in();
        for path in files {
            let path = path.as_ref();
            let name = path.display().to_string();
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
            let adapter = Self::parse(&name, &text)?;
            if RESERVED.contains(&adapter.name.as_str())
                || all.iter().any(|known| known.name == adapter.name)
            {
                bail!("{name}: there is a server `{}` already: change `name`", adapter.name);
            }
            all.push(adapter);
        }

        Ok(all)
    }

    /// What it prints as its version; an error that names the package if it is not there.
    pub(crate) fn version(&self) -> Result<String> {
        let output = Command::new(&self.program)
            .args(&self.version)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| self.missing(&error))?;
        let text = [output.stdout, output.stderr].concat();

        Ok(version_in(&String::from_utf8_lossy(&text)).unwrap_or("unknown").to_owned())
    }

    /// What to do without its program.
    pub(super) fn missing(&self, error: &std::io::Error) -> anyhow::Error {
        let Self { program, package, .. } = self;

        anyhow!("cannot start `{program}` ({error}): install {package}")
    }

    fn parse(file: &str, text: &str) -> Result<Self> {
        let adapter: Self = toml::from_str(text).map_err(|error| anyhow!("{file}: {error}"))?;
        adapter.check().with_context(|| format!("{file} does not describe a server"))?;

        Ok(adapter)
    }

    fn check(&self) -> Result<()> {
        match self.kind {
            Kind::Turn if self.turn.is_none() => bail!("kind `turn` needs a section [turn]"),
            Kind::Sfu if self.join.is_none() => bail!("kind `sfu` needs a section [join]"),
            Kind::Turn | Kind::Sfu => {}
        }
        if let Some(access) = &self.turn
            && access.user.is_some() != access.password.is_some()
        {
            bail!("[turn] needs both `user` and `password`, or neither");
        }
        if let Some(access) = &self.join {
            match access.protocol {
                Protocol::Livekit if access.key.is_none() || access.secret.is_none() => {
                    bail!("[join] by `livekit` needs `key` and `secret`")
                }
                Protocol::Livekit | Protocol::Whip | Protocol::Janus => {}
            }
        }
        match self.files.keys().find(|name| name.contains('/') || name.starts_with('.')) {
            Some(name) => bail!("[files] `{name}` is to be a plain name"),
            None => Ok(()),
        }
    }
}

/// The first thing in a text that looks like a version: digits, a dot, and what follows.
fn version_in(text: &str) -> Option<&str> {
    let is_version = |word: &&str| {
        let digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
        digits.len() < word.len() && digits.starts_with('.')
    };
    let words = text.split(|c: char| c.is_whitespace() || "(),".contains(c));

    words.map(|word| word.trim_start_matches(['v', 'V'])).find(is_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "name = \"x\"\nkind = \"turn\"\npackage = \"x\"\nprogram = \"x\"\n\
                           version = []\nready = { tcp = \"{ip}:{port}\" }\n";

    fn error_of(text: &str) -> String {
        format!("{:#}", Adapter::parse("x.toml", text).unwrap_err())
    }

    #[test]
    fn built_in_ones_are_right() {
        let names: Vec<_> = Adapter::built_in().into_iter().map(|adapter| adapter.name).collect();

        assert_eq!(names, ["coturn", "janus", "janus-tuned"]);
    }

    #[test]
    fn tuned_janus_differs_by_its_event_loop_only() {
        let lines = |text: &'static str| text.lines().skip(2).collect::<Vec<_>>();
        let mut tuned = lines(BUILT_IN[2].1);
        tuned.retain(|line| line.trim() != "event_loops = 1");

        assert_eq!(tuned.len() + 3, BUILT_IN[2].1.lines().count());
        assert_eq!(tuned, lines(BUILT_IN[1].1));
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_key() {
        for (addition, words) in [
            ("adress = \"x\"\n", &["x.toml", "line 7", "adress"][..]),
            ("[turn]\naddress = \"{ipp}:1\"\n", &["x.toml", "line 8", "{ipp}", "{tls_port}"]),
            ("[turn]\naddress = \"x\"\nuser = \"u\"\n", &["x.toml", "user", "password"]),
            ("[turn]\naddress = \"x\"\n[files]\n\"../x\" = \"\"\n", &["x.toml", "../x", "plain"]),
            ("", &["x.toml", "[turn]"]),
        ] {
            let error = error_of(&format!("{MINIMAL}{addition}"));

            assert!(words.iter().all(|word| error.contains(word)), "{words:?}: {error}");
        }
        let sfu = MINIMAL.replace("turn", "sfu");
        for (join, word) in [("livekit", "secret"), ("sip", "line 8")] {
            let join = format!("[join]\nprotocol = \"{join}\"\nurl = \"x\"\n");
            assert!(error_of(&format!("{sfu}{join}")).contains(word), "{join}");
        }
    }

    #[test]
    fn versions_are_found_in_what_programs_print() {
        assert_eq!(version_in("4.6.1\n"), Some("4.6.1"));
        assert_eq!(version_in("Janus version: 1102 (1.1.2)\n"), Some("1.1.2"));
        assert_eq!(version_in("livekit-server version v1.8.0-rc1, 7 cores"), Some("1.8.0-rc1"));
        assert_eq!(version_in("no such option"), None);
    }

    #[test]
    fn absent_programs_are_told_with_their_package() {
        let text = format!("{MINIMAL}[turn]\naddress = \"x\"\n");
        let mut adapter = Adapter::parse("x.toml", &text).unwrap();
        adapter.program = "no-such-program".to_owned();
        adapter.package = "a-package".to_owned();

        let error = adapter.version().unwrap_err().to_string();

        assert!(error.contains("no-such-program") && error.contains("a-package"), "{error}");
    }
}

//! The command line and the configuration, by running the binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{Place, free_port};
use signalling_server::token::{Claims, verify};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

fn verified(output: &std::process::Output, secret: &str) -> Claims {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    verify(text.trim(), |_| Some(secret), now).unwrap()
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let place = Place::new();
    let file = place.file("# comment\n[http]\nlisten = \"127.0.0.1:1\"\n\n[media]\nshard = 2\n");
    let line = place.refused(&["check-config", &file]);
    assert!(line.contains(&format!("{file}, line 6")), "{line}");
    assert!(line.contains("\"media.shard\"; did you mean \"media.shards\"?"), "{line}");
    let line = place.refused(&["serve", "--config", &file]);
    assert!(line.contains("line 6"), "{line}");
}

#[test]
fn a_wrong_value_names_its_key_and_what_it_takes() {
    let place = Place::new();
    for (text, words) in [
        ("http.listen = \"localhost\"", "http.listen: \"localhost\" is not ADDRESS:PORT"),
        ("http.listen = 7880", "http.listen: must be a text"),
        ("media.listen = \"127.0.0.1:1\"", "media.listen: must be a list"),
        ("media.listen = []", "at least one"),
        ("media.io = \"fast\"", "is not one of \"uring\", \"mmsg\""),
        ("media.io = \"xdp\"", "not supported by this version yet"),
        ("media.shards = 0", "media.shards: must be a whole number from 1"),
        ("media.shards = \"two\"", "media.shards: must be a whole number"),
        ("media.dtls = \"1.0\"", "is not one of \"auto\", \"1.2\""),
        ("page.guests = \"yes\"", "page.guests: must be true or false"),
        ("metrics.allow = [\"10.0.0.0/99\"]", "is not an address range"),
        ("keys.a = \"\"", "keys.a: must not be empty"),
        ("tls.cert = \"a.pem\"", "tls.key: is not set"),
        ("log.format = \"xml\"", "log.format"),
        ("turn.realm = \"\"", "turn.realm: must not be empty"),
        ("turn.realm = \"turn.example.info\"", "turn.realm: must have at most 16 bytes"),
        ("turn.secrets = [\"hunter2\", \"\"]", "turn.secrets: must be a list of texts"),
        ("turn.secrets = 7", "turn.secrets: must be a list of texts"),
        ("\n[turn.users]\nbob = \"\"", "line 3: turn.users.bob: must not be empty"),
        ("[turn.quota]\nuser = -1", "turn.quota.user: must be a whole number from 0"),
        ("[turn.quota]\nusers = 1", "did you mean \"turn.quota.user\"?"),
        ("[turn.user]\nbob = \"x\"", "line 1: unknown key \"turn.user\""),
        ("turn.relay_ports = \"65535-49152\"", "is not FIRST-LAST"),
        ("turn.relay_ports = \"80-90\"", "with ports from 1024 on"),
        ("turn.relay_addresses = [\"here\"]", "PUBLIC/LOCAL behind NAT"),
        ("turn.deny_peers = [\"10.0.0.0/99\"]", "turn.deny_peers: \"10.0.0.0/99\" is not an"),
        ("turn.tls_listen = \"5349\"", "turn.tls_listen: \"5349\" is not ADDRESS:PORT"),
        ("turn.hostname = \"a b\"", "is not a DNS name"),
        ("turn.bandwidth_bps = \"fast\"", "turn.bandwidth_bps: must be a whole number"),
        ("turn.lifetime_max_seconds = 60", "must be a whole number from 600 to 86400"),
        ("turn.alternate_servers = [\"192.0.2.1:1\", \"192.0.2.2:1\"]", "at most one server"),
        ("stun.listen = [\"x\"]", "stun.listen: \"x\" is not ADDRESS:PORT"),
        ("[redis]\nurl = \"x\"", "line 1: unknown key \"redis\""),
        ("[htp]\nlisten = \"x\"", "line 1: unknown key \"htp\""),
        ("http.listen = ", "line 1: "),
        ("http = 3", "unknown key \"http\""),
    ] {
        let file = place.file(text);
        let line = place.refused(&["check-config", &file]);
        assert!(line.contains(words) && line.contains(&file) || text.starts_with("tls"), "{line}");
        assert!(line.contains(words), "{text}: {line}");
    }
}

#[test]
fn a_right_configuration_is_ok() {
    let place = Place::new();
    let file = place.file(
        "[http]\nlisten = \"0.0.0.0:7880\"\ntls_listen = \"\"\n[media]\n\
         listen = [\"0.0.0.0:3478\", \"[::]:3478\"]\nadvertise = [\"198.51.100.7/192.0.2.1\"]\n\
         io = \"mmsg\"\nshards = 2\ndtls = \"1.2\"\n[keys]\nmine = \"secret\"\n[page]\n\
         guests = true\n[metrics]\nallow = [\"10.0.0.0/8\", \"::1\"]\nlisten = \"[::]:9480\"\n\
         [log]\nformat = \"json\"\n[node]\nname = \"a\"\nregion = \"b\"\n[data]\n\
         directory = \"d\"\n[control]\nsocket = \"s\"\n[tls]\ncert = \"c\"\nkey = \"k\"\n\
         [stun]\nlisten = \"0.0.0.0:3479\"\n[turn]\nrealm = \"example.org\"\n\
         secrets = [\"new\", \"old\"]\ntls_listen = [\"0.0.0.0:5349\", \"[::]:5349\"]\n\
         hostname = \"turn.example.org\"\nrelay_addresses = [\"203.0.113.1/10.0.0.1\"]\n\
         relay_ports = \"50000-50999\"\nallow_peers = [\"10.1.0.0/16\"]\ndeny_peers = []\n\
         bandwidth_bps = 4_000_000\nlifetime_max_seconds = 3600\nchallenges_per_second = 0\n\
         alternate_servers = [\"192.0.2.9:3478\", \"[2001:db8::9]:3478\"]\n\
         [turn.quota]\nuser = 10\naddress = 0\ntotal = 1000\n\
         [turn.users]\nann = \"p\"\n\"bob@example.org\" = \"q\"\n",
    );
    let output = place.run(&["check-config", &file]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{file}: OK\n"));
}

#[test]
fn set_reads_the_value_by_the_keys_type_and_the_last_one_wins() {
    let place = Place::new();
    let file = place.file("keys.a = \"from the file\"\n");
    for set in [
        "media.listen=[::1]:3478",
        "media.listen=127.0.0.1:3478",
        "media.listen=[\"127.0.0.1:3478\", \"[::1]:3478\"]",
        "media.shards=2",
        "page.guests=true",
        "node.name=true",
        "metrics.allow=10.0.0.0/8",
        "turn.secrets=one",
        "turn.secrets=[\"one\", \"two\"]",
        "turn.users.ann.b=x=y",
        "turn.quota.user=5",
        "turn.tls_listen=",
        "turn.tls_listen=0.0.0.0:5349",
        "turn.allow_peers=127.0.0.0/8",
        "turn.bandwidth_bps=0",
    ] {
        let output = place.run(&["check-config", &file, "--set", set]);
        assert_eq!(output.status.code(), Some(0), "{set}");
    }
    for (set, words) in [
        ("media.shards=many", "\"many\" is not a number"),
        ("media.shards", "is not KEY=VALUE"),
        ("http.listn=x", "did you mean \"http.listen\"?"),
        ("policy.url=x", "not supported by this version yet"),
        ("xdp.mode=fast", "is not one of \"driver\", \"generic\""),
        ("media.listen=here", "media.listen"),
    ] {
        let line = place.refused(&["check-config", &file, "--set", set]);
        assert!(line.contains(words) && line.contains("--set"), "{set}: {line}");
    }

    let sets = ["--set", "keys.a=x=\"y\"", "--set", "keys.a=\"quoted\""];
    let mut args = vec!["token", "create", "--identity", "i", "--room", "r", "--config", &file];
    args.extend(sets);
    verified(&place.run(&args), "\"quoted\"");
}

#[test]
fn secrets_are_not_shown_by_errors() {
    let place = Place::new();
    let long = "hunter2".repeat(100);
    for text in [
        "turn.secrets = [\"hunter2\", 7]".to_owned(),
        "turn.users.bob = [\"hunter2\"]".to_owned(),
        format!("turn.users.bob = \"{long}\""),
        "turn.secrets = [\"hunter2\"".to_owned(),
    ] {
        let line = place.refused(&["check-config", &place.file(&text)]);
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn turn_says_where_it_looked_for_a_relay_and_what_to_do() {
    let place = Place::new();
    let socket = place.directory.join("none.sock");
    let set = format!("control.socket={}", socket.display());
    let output = place.run(&["turn", "list", "--set", &set]);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{line}");
    assert!(line.contains(&set.replace('=', " = ")), "{line}");
    assert!(line.contains("start `millrace serve`"), "{line}");

    assert_eq!(place.run(&["turn", "kick", "--set", &set]).status.code(), Some(2));
    let both = ["turn", "kick", "--id", "1", "--user", "ann"];
    assert_eq!(place.run(&both).status.code(), Some(2));
    let help = String::from_utf8(place.run(&["turn", "--help"]).stdout).unwrap();
    assert!(help.contains("millrace turn kick --address 192.0.2.9"), "{help}");
}

#[test]
fn a_missing_file_is_a_configuration_error() {
    let line = Place::new().refused(&["check-config", "not-there.toml"]);
    assert!(line.contains("not-there.toml"), "{line}");
}

#[test]
fn a_token_of_development_mode_needs_no_option() {
    let place = Place::new();
    let args = ["token", "create", "--identity", "ann", "--room", "demo", "--name", "Ann"];
    let claims = verified(&place.run(&args), "secret-for-development-only-0123456789");
    assert_eq!((claims.iss.as_str(), claims.sub.as_str()), ("devkey", "ann"));
    assert_eq!((claims.name.as_str(), claims.video.room.as_str()), ("Ann", "demo"));
    assert!(claims.video.room_join && claims.video.may_publish());
    assert!(!claims.video.room_admin);
    assert_eq!(claims.exp.unwrap() - claims.nbf.unwrap(), 6 * 3_600);
}

#[test]
fn a_token_says_what_its_options_say() {
    let place = Place::new();
    let output = place.run(&[
        "token",
        "create",
        "--identity",
        "a",
        "--room",
        "r",
        "--ttl",
        "5m",
        "--can-publish=false",
        "--can-publish-data=true",
        "--admin",
        "--key",
        "two",
        "--set",
        "keys.one=1",
        "--set",
        "keys.two=22",
    ]);
    let claims = verified(&output, "22");
    assert_eq!(claims.iss, "two");
    assert!(!claims.video.may_publish() && claims.video.may_publish_data());
    assert!(claims.video.room_admin);
    assert_eq!(claims.exp.unwrap() - claims.nbf.unwrap(), 300);

    let line = place.refused(&["token", "create", "--identity", "a", "--room", "r", "--key", "x"]);
    assert!(line.contains("no API key \"x\"") && line.contains("devkey"), "{line}");
}

#[test]
fn a_server_on_the_network_has_a_random_kept_secret() {
    let place = Place::new();
    let create = ["token", "create", "--identity", "a", "--room", "r"];
    let lan = [&create[..], &["--set", "http.listen=0.0.0.0:7880"]].concat();
    let claims = place.run(&lan);
    let file = place.directory.join("data/lan-secret");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(secret.trim().len() >= 32);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(verified(&claims, secret.trim()).iss, "lan");
    // Without options the token is one that this server takes.
    assert_eq!(verified(&place.run(&create), secret.trim()).iss, "lan");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), secret);
}

#[test]
fn a_taken_port_is_named_and_so_is_an_address_that_is_not_ours() {
    let place = Place::new();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (tcp, udp) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let http = format!("http.listen=127.0.0.1:{}", free_port());
    let tls = "http.tls_listen=";
    let line = place.refused(&["serve", "--set", &format!("http.listen={tcp}"), "--set", tls]);
    assert!(line.contains(&format!("http.listen = \"{tcp}\"")), "{line}");
    let line = place.refused(&["serve", "--set", "http.listen=192.0.2.9:80", "--set", tls]);
    assert!(line.contains("192.0.2.9:80") && line.contains("does not have"), "{line}");
    let media = format!("media.listen={udp}");
    let line = place.refused(&["serve", "--set", &http, "--set", tls, "--set", &media]);
    assert!(line.contains("media.listen") && line.contains(&udp.to_string()), "{line}");
    let media = "media.listen=192.0.2.9:3478";
    let line = place.refused(&["serve", "--set", &http, "--set", tls, "--set", media]);
    assert!(line.contains("media.listen") && line.contains("192.0.2.9:3478"), "{line}");
}

#[test]
fn help_has_examples_and_the_version_is_ours() {
    let place = Place::new();
    let help = String::from_utf8(place.run(&["--help"]).stdout).unwrap();
    assert!(help.contains("millrace token create --identity ann --room demo"), "{help}");
    let version = String::from_utf8(place.run(&["--version"]).stdout).unwrap();
    assert_eq!(version.trim(), concat!("millrace ", env!("CARGO_PKG_VERSION")));
    assert_eq!(place.run(&[]).status.code(), Some(2));
    assert_eq!(place.run(&["recorders"]).status.code(), Some(2));
}

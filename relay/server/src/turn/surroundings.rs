//! What TURN is told on each shard: the operator's settings, put into this machine's surroundings.

use crate::addresses::{self, public_of};
use crate::{Advertise, Config, StartError, TurnSettings, options};
use relay_shard::{Reached, TurnConfig};
use ring::hmac;
use std::net::{IpAddr, SocketAddr};

/// The lowest relayed port: those below are for services, and need privileges.
const PORT_MIN: u16 = 1_024;

/// What the key of nonces and tickets is derived from, beside the secret.
const KEY_CONTEXT: &[u8] = b"millrace turn nonces and tickets";

/// What stays as it is when settings change.
#[derive(Debug)]
pub(crate) struct Surroundings {
    shards: u16,
    /// The media addresses: what is listened on, and how others reach it.
    listen: Vec<Reached<SocketAddr>>,
    advertise: Vec<Advertise>,
    /// Addresses to relay from when none are named.
    usual: Vec<Reached<IpAddr>>,
    /// Whether the kernel may relay.
    offload: bool,
    /// The key where no secret is shared with other nodes.
    random: [u8; 32],
}

impl Surroundings {
    /// Those of a relay that listens on these addresses and offers these.
    pub(crate) fn new(
        config: &Config,
        shards: u16,
        listen: &[SocketAddr],
        offered: &[Reached<SocketAddr>],
    ) -> Self {
        let mut usual: Vec<Reached<IpAddr>> = Vec::new();
        for address in offered {
            let (local, public) = (address.local.ip(), address.public.ip());
            if usual.iter().all(|known| known.local != local) {
                usual.push(Reached { local, public });
            }
        }

        Self {
            shards,
            listen: addresses::reached(&config.advertise, listen),
            advertise: config.advertise.clone(),
            usual,
            offload: config.xdp.is_some(),
            random: rand::random(),
        }
    }

    /// The media addresses: what is listened on, and how others reach it.
    pub(crate) fn listen(&self) -> &[Reached<SocketAddr>] {
        &self.listen
    }

    /// What every shard is told, or why these settings cannot be.
    pub(crate) fn config(&self, settings: &TurnSettings) -> Result<TurnConfig, StartError> {
        self.check_ports(settings)?;

        Ok(TurnConfig {
            realm: settings.realm.clone(),
            users: settings.users.clone(),
            secrets: settings.secrets.clone(),
            relays: self.relays(settings)?,
            ports: settings.relay_ports.clone(),
            allow_peers: settings.allow_peers.clone(),
            deny_peers: settings.deny_peers.clone(),
            own: self.own()?,
            bandwidth_bps: settings.bandwidth_bps,
            // Each shard counts for itself, and a source's ports lead to all of them.
            challenges_a_second: settings.challenges_a_second.div_ceil(self.shards.into()),
            lifetime_max: settings.lifetime_max,
            drain: settings.drain,
            alternates: settings.alternates.clone(),
            offload: self.offload,
            key: settings.secrets.first().map_or(self.random, |secret| key(secret)),
        })
    }

    /// How many relayed addresses with ports these settings give.
    pub(crate) fn relayed(&self, turn: &TurnConfig) -> usize {
        turn.relays.len().saturating_mul(turn.ports.len())
    }

    fn check_ports(&self, settings: &TurnSettings) -> Result<(), StartError> {
        let ports = &settings.relay_ports;
        let (first, last) = (*ports.start(), *ports.end());
        // Shards share ports by pairs of an even one and the next.
        let pairs = last.div_ceil(2).saturating_sub(first.div_ceil(2));
        if first < PORT_MIN || pairs < self.shards {
            return Err(StartError::RelayPorts { first, last, shards: self.shards });
        }
        if let Some(media) = self.listen.iter().find(|media| ports.contains(&media.local.port())) {
            tracing::warn!(
                media = %media.local,
                "turn.relay_ports = {first}-{last}: the media port lies in it and is left out"
            );
        }

        Ok(())
    }

    fn relays(&self, settings: &TurnSettings) -> Result<Vec<Reached<IpAddr>>, StartError> {
        if settings.relay_addresses.is_empty() {
            return Ok(self.usual.clone());
        }
        let relay = |Advertise { public, local }: &Advertise| {
            let here = !local.is_unspecified()
                && options::udp(SocketAddr::new(*local, 0), false)
                    .and_then(|probe| probe.bind(&SocketAddr::new(*local, 0).into()))
                    .is_ok();
            let named = (public != local).then_some(*public);
            let public = named.or_else(|| public_of(&self.advertise, *local)).unwrap_or(*local);

            if here {
                Ok(Reached { local: *local, public })
            } else {
                Err(StartError::RelayAddress(*local))
            }
        };

        settings.relay_addresses.iter().map(relay).collect()
    }

    /// Addresses of this machine, as itself and others know them.
    fn own(&self) -> Result<Vec<IpAddr>, StartError> {
        let mut own = addresses::of_interfaces().map_err(StartError::Interfaces)?;
        own.extend(self.advertise.iter().flat_map(|reached| [reached.public, reached.local]));
        own.extend(self.listen.iter().map(|reached| reached.local.ip()));
        own.sort_unstable();
        own.dedup();

        Ok(own)
    }
}

/// Nodes that share a secret take each other's nonces.
fn key(secret: &str) -> [u8; 32] {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut key = [0; 32];
    key.copy_from_slice(hmac::sign(&secret, KEY_CONTEXT).as_ref());

    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(shards: u16, advertise: &[&str]) -> Surroundings {
        let advertise: Vec<Advertise> =
            advertise.iter().map(|text| text.parse().unwrap()).collect();
        let config = Config { advertise, ..addresses::config_for_tests() };
        let listen = ["127.0.0.1:3478".parse().unwrap(), "[::1]:3478".parse().unwrap()];
        let offered = addresses::offered(&config, &listen).unwrap();

        Surroundings::new(&config, shards, &listen, &offered)
    }

    fn reached(local: &str, public: &str) -> Reached<IpAddr> {
        Reached { local: local.parse().unwrap(), public: public.parse().unwrap() }
    }

    fn settings(relays: &[&str]) -> TurnSettings {
        let relay_addresses = relays.iter().map(|text| text.parse().unwrap()).collect();
        TurnSettings { relay_addresses, ..TurnSettings::default() }
    }

    #[test]
    fn relays_are_those_behind_the_candidates_unless_they_are_named() {
        let here = surroundings(1, &[]);
        let usual = here.config(&settings(&[])).unwrap().relays;
        assert_eq!(usual, [reached("127.0.0.1", "127.0.0.1"), reached("::1", "::1")]);

        let nat = surroundings(1, &["198.51.100.7/127.0.0.1"]);
        let usual = nat.config(&settings(&[])).unwrap().relays;
        assert_eq!(usual, [reached("127.0.0.1", "198.51.100.7")]);
        let named = nat.config(&settings(&["127.0.0.1", "192.0.2.9/127.0.0.1"])).unwrap().relays;
        let wanted = [reached("127.0.0.1", "198.51.100.7"), reached("127.0.0.1", "192.0.2.9")];
        assert_eq!(named, wanted);
    }

    #[test]
    fn own_addresses_hold_the_public_ones() {
        let own = surroundings(1, &["198.51.100.7/127.0.0.1"]).config(&settings(&[])).unwrap().own;

        for address in ["198.51.100.7", "127.0.0.1"] {
            assert!(own.contains(&address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn an_address_of_another_machine_is_named_with_the_fix() {
        for address in ["192.0.2.9", "0.0.0.0"] {
            let error = surroundings(1, &[]).config(&settings(&[address])).unwrap_err().to_string();
            assert!(error.starts_with(&format!("turn.relay_addresses = {address}:")), "{error}");
        }
    }

    #[test]
    fn ports_must_be_enough_for_all_shards() {
        let refused = |ports: std::ops::RangeInclusive<u16>, shards| {
            let settings = TurnSettings { relay_ports: ports, ..TurnSettings::default() };
            surroundings(shards, &[]).config(&settings).err().map(|error| error.to_string())
        };
        assert_eq!(refused(50_000..=50_001, 1), None);
        assert_eq!(refused(50_000..=50_007, 4), None);
        for (ports, shards) in [
            (50_001..=50_002, 1),
            (50_000..=50_006, 4),
            (50_001..=50_001, 1),
            (0..=65_535, 1),
            (1_023..=65_535, 1),
        ] {
            let text = refused(ports.clone(), shards).unwrap();
            let key = format!("turn.relay_ports = {}-{}:", ports.start(), ports.end());
            assert!(text.starts_with(&key), "{text}");
        }
        assert_eq!(refused(65_534..=65_535, 1), None);
    }

    #[test]
    fn all_shards_together_challenge_as_often_as_one_may() {
        let of_each = |challenges_a_second, shards| {
            let settings = TurnSettings { challenges_a_second, ..TurnSettings::default() };
            surroundings(shards, &[]).config(&settings).unwrap().challenges_a_second
        };
        assert_eq!([of_each(1_000, 1), of_each(1_000, 4), of_each(1_001, 4)], [1_000, 250, 251]);
        assert_eq!(of_each(0, 4), 0, "no limit stays none");
    }

    #[test]
    fn nodes_that_share_a_secret_share_the_key() {
        let with = |secrets: &[&str]| {
            let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
            let settings = TurnSettings { secrets, ..TurnSettings::default() };
            surroundings(1, &[]).config(&settings).unwrap().key
        };
        assert_eq!(with(&["new", "old"]), with(&["new"]));
        assert_ne!(with(&["new"]), with(&["old"]));
        assert_ne!(with(&[]), with(&[]));
    }
}

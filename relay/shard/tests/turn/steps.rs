//! Steps of a history, made of any bytes: a fuzzer's, or a random number generator's.

use super::model::Wish;
use relay_wire::stun::Family;

/// Clients of a history.
pub(crate) const CLIENTS: u8 = 4;

/// Something that happens.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// `token`: 0 none, 1 the last that was given, else a made-up one. `failing`: sockets that
    /// cannot be opened.
    Allocate {
        client: u8,
        wish: Wish,
        token: u8,
        failing: usize,
    },
    /// `ticket`: none, that of a client, or a made-up one.
    Refresh {
        client: u8,
        lifetime: Option<u32>,
        family: Option<Family>,
        ticket: Option<u8>,
    },
    Permit {
        client: u8,
        peers: Vec<u8>,
    },
    Bind {
        client: u8,
        number: u16,
        peer: u8,
    },
    Send {
        client: u8,
        peer: u8,
        len: usize,
    },
    Channel {
        client: u8,
        number: u16,
        len: usize,
    },
    FromPeer {
        client: u8,
        peer: u8,
        len: usize,
    },
    Sleep(u64),
    /// A request that proves nothing.
    Stranger {
        client: u8,
        method: u16,
        how: u8,
    },
    /// Any bytes on a client's path.
    Raw {
        client: u8,
        bytes: Vec<u8>,
    },
    /// A client's last request with one bit changed.
    Flip {
        client: u8,
        at: usize,
        bit: u8,
    },
    /// A client's last request once more.
    Again {
        client: u8,
    },
    /// A client's connection breaks.
    Disconnect {
        client: u8,
    },
    /// The process is killed, and another goes on.
    Restart,
}

/// The steps that bytes stand for. The bits of the first say which clients begin with an
/// allocation, and which of these with permissions and a channel.
pub(crate) fn steps(bytes: &[u8]) -> impl Iterator<Item = Step> {
    let mut rest = Bytes(bytes);
    let beginning = rest.next();
    let has = move |bit: u8| beginning >> bit & 1 != 0;
    let allocating = (0..CLIENTS).filter(move |client| has(*client));
    let prologue = allocating.flat_map(move |client| {
        let prepared = if has(CLIENTS + client) { 3 } else { 1 };
        prepare(client).into_iter().take(prepared)
    });

    prologue.chain(std::iter::from_fn(move || (!rest.0.is_empty()).then(|| rest.step())))
}

/// A dual allocation for an hour, permissions for peers of both families, ourselves included, and
/// a channel.
fn prepare(client: u8) -> [Step; 3] {
    let wish = Wish {
        transport: Some(17),
        lifetime: Some(3600),
        family: None,
        additional: Some(Family::V6),
        even: None,
        token: None,
        mobile: client.is_multiple_of(2),
    };

    [
        Step::Allocate { client, wish, token: 0, failing: 0 },
        Step::Permit { client, peers: vec![PEER, PEER_V6, OURS] },
        Step::Bind { client, number: 0x4000, peer: PEER },
    ]
}

/// Peers by number.
pub(crate) const PEER: u8 = 0;
/// A peer of IPv6.
pub(crate) const PEER_V6: u8 = 4;
/// An address of the server's where nothing is.
pub(crate) const OURS: u8 = 8;

/// Bytes to take choices from; zeros when there are no more.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;

        *first
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.next()) % from.len()]
    }

    fn step(&mut self) -> Step {
        let client = self.next();
        let (kind, client) = (client / CLIENTS, client % CLIENTS);
        match kind % 26 {
            0..=3 => self.allocate(client),
            4..=6 => self.refresh(client),
            7..=9 => {
                let len = self.pick(&[1, 1, 1, 2, 3, 0]);
                Step::Permit { client, peers: (0..len).map(|_| self.next()).collect() }
            }
            10..=12 => {
                let number = self.number();
                Step::Bind { client, number, peer: self.next() }
            }
            13..=15 => Step::Send { client, peer: self.next(), len: self.len() },
            16 | 17 => {
                let number = self.number();
                Step::Channel { client, number, len: self.len() }
            }
            18..=20 => Step::FromPeer { client, peer: self.next(), len: self.len() },
            21 | 22 => {
                Step::Sleep(self.pick(&[
                    1, 1, 10, 29, 30, 60, 100, 150, 299, 300, 301, 599, 600, 3599, 3700, 1,
                ]))
            }
            23 => {
                let method = self.pick(&[3, 4, 8, 9, 1, 0x0a, 0x80]);
                Step::Stranger { client, method, how: self.next() }
            }
            24 => match self.next() % 8 {
                0 | 4 => Step::Disconnect { client },
                2 => Step::Restart,
                1 | 5 => Step::Flip { client, at: self.next().into(), bit: self.next() % 8 },
                _ => Step::Again { client },
            },
            _ => {
                let len = usize::from(self.next()).min(self.0.len());
                let (bytes, rest) = self.0.split_at(len);
                self.0 = rest;
                Step::Raw { client, bytes: bytes.to_vec() }
            }
        }
    }

    fn allocate(&mut self, client: u8) -> Step {
        let (v4, v6, other) = (Some(Family::V4), Some(Family::V6), Some(Family::Other(7)));
        let what = self.next();
        let common = what % 8 < 5;
        let wish = Wish {
            transport: if what == 255 {
                None
            } else if what == 254 {
                Some(6)
            } else {
                Some(17)
            },
            lifetime: self.lifetime(),
            family: if common { None } else { self.pick(&[None, v4, v6, v6, other]) },
            additional: if common { None } else { self.pick(&[None, None, v6, v6, v4, other]) },
            even: self.pick(&[None, None, None, Some(false), Some(true)]),
            token: None,
            mobile: self.next().is_multiple_of(2),
        };
        let token = self.pick(&[0, 0, 0, 1, 2]);
        let failing = self.pick(&[0, 0, 0, 0, 0, 1, 3, 100]);

        Step::Allocate { client, wish, token, failing }
    }

    fn refresh(&mut self, client: u8) -> Step {
        let lifetime = self.lifetime();
        let family = self.pick(&[
            None,
            None,
            None,
            Some(Family::V4),
            Some(Family::V6),
            Some(Family::Other(9)),
        ]);
        let ticket = self.next();
        let ticket = if ticket.is_multiple_of(2) { None } else { Some(ticket / 2) };

        Step::Refresh { client, lifetime, family, ticket }
    }

    fn lifetime(&mut self) -> Option<u32> {
        let long = Some(3600);

        self.pick(&[
            long,
            long,
            long,
            long,
            None,
            None,
            Some(0),
            Some(1),
            Some(700),
            Some(u32::MAX),
        ])
    }

    fn number(&mut self) -> u16 {
        self.pick(&[0x4000, 0x4000, 0x4000, 0x4001, 0x4001, 0x5000, 0x3fff, 0x8000])
    }

    fn len(&mut self) -> usize {
        self.pick(&[0, 1, 3, 4, 5, 100, 1200])
    }
}

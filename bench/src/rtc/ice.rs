//! ICE (RFC 8445) of a client with one host candidate: checks, answers, consent (RFC 7675).

use relay_wire::stun::{Class, IntegrityKey, Message, Method, Writer};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Time between checks until one is answered, doubled each time.
const RETRY: Duration = Duration::from_millis(50);
/// The longest of these.
const RETRY_MAX: Duration = Duration::from_millis(800);
/// Time between checks of consent.
const CONSENT: Duration = Duration::from_millis(2_500);
/// Consent ends without an answer for so long (RFC 7675, section 5.1).
const CONSENT_MAX: Duration = Duration::from_secs(30);
/// PRIORITY of a peer-reflexive candidate (RFC 8445, section 5.1.2).
const PRIORITY: u32 = 110 << 24 | 0xffff << 8 | 255;
/// Addresses of the server beyond which none is learnt.
const CANDIDATES_MAX: usize = 64;

/// Who is who.
pub(super) struct Credentials {
    /// `a=ice-ufrag`.
    pub(super) ufrag: String,
    /// `a=ice-pwd`.
    pub(super) password: String,
}

/// One connection's agent.
pub(super) struct Agent {
    /// Verifies the server's checks.
    own: IntegrityKey,
    /// Signs our checks, and verifies their answers.
    theirs: IntegrityKey,
    username: String,
    /// Whether we nominate.
    controlling: bool,
    tie_breaker: u64,
    candidates: Vec<SocketAddr>,
    checks: u32,
    /// The server's address, once a check of it was answered.
    selected: Option<SocketAddr>,
    next_check: Instant,
    retry: Duration,
    answered: Instant,
}

/// What a STUN message has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing of interest.
    None,
    /// A path stands.
    Selected(SocketAddr),
}

impl Agent {
    /// An agent that begins at once.
    pub(super) fn new(
        own: &Credentials,
        theirs: &Credentials,
        candidates: Vec<SocketAddr>,
        controlling: bool,
        now: Instant,
    ) -> Self {
        Self {
            own: IntegrityKey::short_term(&own.password),
            theirs: IntegrityKey::short_term(&theirs.password),
            username: format!("{}:{}", theirs.ufrag, own.ufrag),
            controlling,
            tie_breaker: rand::random(),
            candidates,
            checks: 0,
            selected: None,
            next_check: now,
            retry: RETRY,
            answered: now,
        }
    }

    /// The server's address, once a path stands.
    pub(super) fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// Whether nobody has answered for long.
    pub(super) fn has_expired(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.answered) > CONSENT_MAX
    }

    /// Sends the checks that are due.
    pub(super) fn advance(&mut self, now: Instant, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        if now < self.next_check {
            return;
        }
        match self.selected {
            Some(address) => {
                self.next_check = now + CONSENT;
                self.check(address, send);
            }
            None => {
                self.next_check = now + self.retry;
                self.retry = (self.retry * 2).min(RETRY_MAX);
                for index in 0..self.candidates.len() {
                    self.check(self.candidates[index], send);
                }
            }
        }
    }

    /// Takes a STUN message in, and answers it.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        from: SocketAddr,
        now: Instant,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Change {
        let Some(message) = Message::parse(bytes).filter(|m| m.method() == Method::BINDING) else {
            return Change::None;
        };
        match message.class() {
            Class::Request if message.verify_integrity(&self.own) => {
                self.answer(&message, from, send);
                let nominated = !self.controlling && message.use_candidate();
                if !self.candidates.contains(&from) && self.candidates.len() < CANDIDATES_MAX {
                    self.candidates.push(from);
                    self.check(from, send);
                }
                if nominated { self.select(from, now) } else { Change::None }
            }
            Class::Success if self.is_ours(&message) && message.verify_integrity(&self.theirs) => {
                self.answered = now;
                // A controlled agent waits for the nomination.
                if self.controlling { self.select(from, now) } else { Change::None }
            }
            _ => Change::None,
        }
    }

    fn select(&mut self, address: SocketAddr, now: Instant) -> Change {
        if self.selected.is_some() {
            return Change::None;
        }
        self.selected = Some(address);
        self.answered = now;
        self.next_check = now + CONSENT;

        Change::Selected(address)
    }

    /// Ids are a number of the connection and one of the check.
    fn is_ours(&self, message: &Message<'_>) -> bool {
        message.transaction_id()[..8] == self.tie_breaker.to_be_bytes()
    }

    fn check(&mut self, to: SocketAddr, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        self.checks += 1;
        let mut id = [0; 12];
        id[..8].copy_from_slice(&self.tie_breaker.to_be_bytes());
        id[8..].copy_from_slice(&self.checks.to_be_bytes());
        let mut bytes = [0; 768];
        let mut writer = Writer::begin(&mut bytes, Class::Request, Method::BINDING, &id);
        writer.username(&self.username).priority(PRIORITY);
        if self.controlling {
            writer.ice_controlling(self.tie_breaker).use_candidate();
        } else {
            writer.ice_controlled(self.tie_breaker);
        }
        writer.integrity(&self.theirs).fingerprint();
        if let Some(len) = writer.finish() {
            send(to, &bytes[..len]);
        }
    }

    fn answer(
        &self,
        request: &Message<'_>,
        from: SocketAddr,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        let mut bytes = [0; 128];
        let mut writer = Writer::answer(&mut bytes, Class::Success, request);
        writer.xor_mapped_address(from).integrity(&self.own).fingerprint();
        if let Some(len) = writer.finish() {
            send(from, &bytes[..len]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(now: Instant) -> (Agent, Agent) {
        let credentials = |name: &str| Credentials {
            ufrag: name.to_owned(),
            password: format!("{name}-password-of-22-letters"),
        };
        let (a, b) = (credentials("a"), credentials("b"));
        let address = |port| SocketAddr::from(([192, 0, 2, 1], port));

        (
            Agent::new(&a, &b, vec![address(2)], true, now),
            Agent::new(&b, &a, Vec::new(), false, now),
        )
    }

    /// Hands messages to and fro until both are silent.
    fn talk(a: &mut Agent, b: &mut Agent, now: Instant) {
        let addresses = [1, 2].map(|port| SocketAddr::from(([192, 0, 2, 1], port)));
        let mut queue = Vec::new();
        a.advance(now, &mut |_, bytes| queue.push((1, bytes.to_vec())));
        b.advance(now, &mut |_, bytes| queue.push((0, bytes.to_vec())));
        while let Some((to, bytes)) = queue.pop() {
            let agent = if to == 0 { &mut *a } else { &mut *b };
            let back = 1 - to;
            agent.receive(&bytes, addresses[back], now, &mut |_, bytes| {
                queue.push((back, bytes.to_vec()));
            });
        }
    }

    #[test]
    fn both_select_the_path_that_the_controlling_one_nominates() {
        let now = Instant::now();
        let (mut a, mut b) = agents(now);

        talk(&mut a, &mut b, now);

        assert_eq!(a.selected().map(|address| address.port()), Some(2));
        assert_eq!(b.selected().map(|address| address.port()), Some(1));
    }

    #[test]
    fn checks_are_repeated_until_answered_and_consent_ends_in_silence() {
        let now = Instant::now();
        let (mut a, mut b) = agents(now);
        let mut sent = 0;
        for milliseconds in 0..1_000 {
            a.advance(now + Duration::from_millis(milliseconds), &mut |_, _| sent += 1);
        }
        assert_eq!(sent, 5, "at 0, 50, 150, 350 and 750 ms");

        let later = now + Duration::from_secs(2);
        talk(&mut a, &mut b, later);
        assert!(!a.has_expired(later + CONSENT_MAX));
        assert!(a.has_expired(later + CONSENT_MAX + CONSENT));
    }

    #[test]
    fn messages_with_other_passwords_change_nothing() {
        let now = Instant::now();
        let (mut a, _) = agents(now);
        let (mut stranger, _) = agents(now);
        stranger.theirs = IntegrityKey::short_term("another-password-of-22");
        let from = SocketAddr::from(([192, 0, 2, 1], 3));
        let mut forged = Vec::new();
        stranger.advance(now, &mut |_, bytes| forged = bytes.to_vec());

        let change = a.receive(&forged, from, now, &mut |_, _| panic!("an answer to a stranger"));

        assert_eq!((change, a.selected()), (Change::None, None));
    }
}

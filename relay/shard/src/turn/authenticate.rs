//! Whether a request comes from whom it says (RFC 8489, section 9.2.4).

use super::TurnConfig;
use super::credentials::{Claim, Credentials, USERNAME_MAX};
use super::nonce::{Check, Features, Nonces};
use super::principal::{Algorithm, Principal};
use relay_wire::stun::{Message, PasswordAlgorithm, attribute};
use std::net::SocketAddr;

/// PASSWORD-ALGORITHMS as challenges list them, best first.
pub(super) const ALGORITHMS: [PasswordAlgorithm<'static>; 2] =
    [PasswordAlgorithm::SHA256, PasswordAlgorithm::MD5];

/// The value of that attribute: a client returns it unchanged, or somebody on the way changed it.
const ALGORITHMS_VALUE: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];

/// Why a request is refused.
#[derive(Debug)]
pub(crate) enum AuthError {
    /// 401: it is not signed, or not by a user of ours.
    Unauthorized,
    /// 400: something that goes with a signature is missing or changed.
    BadRequest,
    /// 438: its nonce is too old, or not one that this source was given.
    StaleNonce,
    /// 441: it is of another user than the allocation, who is to be answered (RFC 8656, section 5).
    WrongCredentials(Box<Principal>),
}

/// Checks requests, and challenges those who are to sign them.
pub(crate) struct Authenticator {
    pub(super) credentials: Credentials,
    pub(super) nonces: Nonces,
}

/// What a request says of its user, its nonce being good.
struct Signed<'a> {
    claim: Claim<'a>,
    algorithm: Algorithm,
    realm: &'a str,
}

impl Authenticator {
    /// An authenticator of these settings.
    pub(crate) fn new(config: &TurnConfig) -> Self {
        Self { credentials: Credentials::new(config), nonces: Nonces::new(&config.key) }
    }

    /// The user whose credentials a request has.
    pub(crate) fn authenticate(
        &self,
        request: &Message<'_>,
        source: SocketAddr,
        unix_seconds: u64,
    ) -> Result<Principal, AuthError> {
        let signed = self.read(request, source, unix_seconds)?;

        self.find(request, &signed, unix_seconds)
    }

    /// Whether a request is of the user whose allocation it is for. The kept key decides as long
    /// as it is right, though the credentials may have expired since; it changes with the password
    /// and with the algorithm that a client chooses.
    pub(crate) fn verify(
        &self,
        request: &Message<'_>,
        principal: &mut Principal,
        source: SocketAddr,
        unix_seconds: u64,
    ) -> Result<(), AuthError> {
        let signed = self.read(request, source, unix_seconds)?;
        let same_user = self.credentials.is(signed.claim, principal.name());
        if same_user && signed.algorithm == principal.algorithm() && principal.signed(request) {
            return Ok(());
        }
        let found = self.find(request, &signed, unix_seconds)?;
        if !same_user {
            return Err(AuthError::WrongCredentials(Box::new(found)));
        }
        *principal = found;

        Ok(())
    }

    fn find(
        &self,
        request: &Message<'_>,
        signed: &Signed<'_>,
        unix_seconds: u64,
    ) -> Result<Principal, AuthError> {
        let found = self
            .credentials
            .find(signed.claim, signed.algorithm, unix_seconds, |key| key.signed(request))
            .filter(|_| signed.realm == self.credentials.realm());

        found.ok_or(AuthError::Unauthorized)
    }

    /// Reads what must be there, in the order of RFC 8489, section 9.2.4; only that the nonce is
    /// looked at before the user is, so that a request which is repeated costs nothing.
    fn read<'a>(
        &self,
        request: &Message<'a>,
        source: SocketAddr,
        unix_seconds: u64,
    ) -> Result<Signed<'a>, AuthError> {
        if !request.has_integrity() && !request.has_integrity_sha256() {
            return Err(AuthError::Unauthorized);
        }
        let (Some(claim), Some(realm), Some(nonce)) =
            (claim(request)?, request.realm(), request.nonce())
        else {
            return Err(AuthError::BadRequest);
        };
        let Check::Valid(features) = self.nonces.check(nonce, source, unix_seconds) else {
            return Err(AuthError::StaleNonce);
        };
        let algorithm = algorithm(request, features)?;

        Ok(Signed { claim, algorithm, realm })
    }
}

fn claim<'a>(request: &Message<'a>) -> Result<Option<Claim<'a>>, AuthError> {
    if request.attribute(attribute::USERNAME).is_some() {
        let name = request.username().filter(|name| name.len() <= USERNAME_MAX);
        return name.map(|name| Some(Claim::Name(name))).ok_or(AuthError::BadRequest);
    }
    let hash = request.userhash().map_err(|_| AuthError::BadRequest)?;

    Ok(hash.map(Claim::Hash))
}

/// The algorithm that a request's key is made with. Where the challenge listed algorithms, a client
/// that names one must return the list: otherwise somebody on the way has shortened it.
fn algorithm(request: &Message<'_>, features: Features) -> Result<Algorithm, AuthError> {
    let chosen = request.password_algorithm().map_err(|_| AuthError::BadRequest)?;
    let list = request.attribute(attribute::PASSWORD_ALGORITHMS);
    let listed = features.password_algorithms;
    match (chosen, list) {
        (None, Some(_)) if listed => Err(AuthError::BadRequest),
        (None, _) => Ok(Algorithm::Md5),
        (Some(_), list) if listed && list != Some(&ALGORITHMS_VALUE) => Err(AuthError::BadRequest),
        (Some(PasswordAlgorithm::MD5), _) => Ok(Algorithm::Md5),
        (Some(PasswordAlgorithm::SHA256), _) => Ok(Algorithm::Sha256),
        (Some(_), _) => Err(AuthError::BadRequest),
    }
}

#[cfg(test)]
mod tests {
    use super::super::client::{Signed, UNIX, bare, config, nonce, rest_password, source};
    use super::super::principal::Seal;
    use super::*;
    use proptest::prelude::*;
    use relay_wire::stun::{Class, IntegrityKey, IntegrityKeySha256, Writer};

    fn authenticator() -> Authenticator {
        Authenticator::new(&config())
    }

    /// Who a request is found to come from, or the code that it is refused with.
    fn outcome(authenticator: &Authenticator, request: &[u8]) -> Result<String, u16> {
        let request = Message::parse(request).unwrap();
        match authenticator.authenticate(&request, source(), UNIX) {
            Ok(principal) => Ok(principal.name().to_owned()),
            Err(error) => Err(code(&error)),
        }
    }

    fn code(error: &AuthError) -> u16 {
        match error {
            AuthError::Unauthorized => 401,
            AuthError::BadRequest => 400,
            AuthError::StaleNonce => 438,
            AuthError::WrongCredentials(_) => 441,
        }
    }

    fn rest(expires: u64, secret: &str, nonce: &[u8]) -> Signed {
        let name = format!("{expires}:carol");

        Signed::old(&name, &rest_password(secret, &name), nonce)
    }

    #[test]
    fn a_user_is_known_by_every_algorithm_and_kind_of_integrity() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        let new = Signed::new("alice", "wonder", &nonce);
        let requests = [
            Signed::old("alice", "wonder", &nonce),
            new.clone(),
            Signed { sha256: false, ..new.clone() },
            Signed { hashed: true, ..new.clone() },
            Signed { algorithm: Some(PasswordAlgorithm::MD5), ..new.clone() },
            Signed { algorithm: None, list: None, ..new },
        ];

        for request in requests {
            assert_eq!(outcome(&authenticator, &request.write()), Ok("alice".to_owned()));
        }
    }

    #[test]
    fn an_unsigned_request_is_challenged() {
        assert_eq!(outcome(&authenticator(), &bare(28, false)), Err(401));
    }

    #[test]
    fn wrong_passwords_users_and_realms_are_not_told_apart() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        let right = Signed::old("alice", "wonder", &nonce);
        let requests = [
            Signed { password: "x".to_owned(), ..right.clone() },
            Signed { name: "mallory".to_owned(), ..right.clone() },
            Signed { name: "mallory".to_owned(), hashed: true, ..right.clone() },
            Signed { name: String::new(), password: String::new(), ..right.clone() },
            Signed { name: "99:mallory".to_owned(), ..right.clone() },
            Signed { realm: "elsewhere".to_owned(), ..right },
        ];

        for request in requests {
            assert_eq!(outcome(&authenticator, &request.write()), Err(401));
        }
    }

    #[test]
    fn what_goes_with_a_signature_must_be_there() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        for missing in 0..3 {
            let mut buffer = [0; 500];
            let mut writer = Writer::begin(
                &mut buffer,
                Class::Request,
                super::super::client::ALLOCATE,
                &[1; 12],
            );
            if missing != 0 {
                writer.username("alice");
            }
            if missing != 1 {
                writer.realm("millrace");
            }
            if missing != 2 {
                writer.nonce(&nonce);
            }
            writer.integrity(&IntegrityKey::new(&Signed::old("alice", "wonder", &nonce).key()));
            let len = writer.finish().unwrap();

            assert_eq!(outcome(&authenticator, &buffer[..len]), Err(400), "{missing}");
        }
    }

    #[test]
    fn a_user_name_of_509_bytes_is_refused() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        let request = |len| Signed::old(&"a".repeat(len), "x", &nonce).write();

        assert_eq!(outcome(&authenticator, &request(508)), Err(401));
        assert_eq!(outcome(&authenticator, &request(509)), Err(400));
    }

    #[test]
    fn nonces_of_others_and_old_ones_are_stale() {
        let authenticator = authenticator();
        let request = Signed::old("alice", "wonder", b"never given out");
        assert_eq!(outcome(&authenticator, &request.write()), Err(438));

        let request = Signed::old("alice", "wonder", &nonce(&authenticator)).write();
        let request = Message::parse(&request).unwrap();
        let from = |source, unix| authenticator.authenticate(&request, source, unix).map(|_| ());
        assert!(from(source(), UNIX + 3_600).is_ok());
        assert!(matches!(from(source(), UNIX + 3_601), Err(AuthError::StaleNonce)));
        let elsewhere = "192.0.2.1:5001".parse().unwrap();
        assert!(matches!(from(elsewhere, UNIX), Err(AuthError::StaleNonce)));
    }

    #[test]
    fn somebody_who_changes_the_list_of_algorithms_is_noticed() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        let right = Signed::new("alice", "wonder", &nonce);
        let unknown = PasswordAlgorithm { number: 3, parameters: &[] };
        let requests = [
            Signed { list: None, ..right.clone() },
            Signed { algorithm: None, ..right.clone() },
            Signed { list: Some(vec![PasswordAlgorithm::MD5]), ..right.clone() },
            Signed { list: Some(vec![PasswordAlgorithm::MD5; 2]), ..right.clone() },
            Signed { algorithm: Some(unknown), ..right },
        ];

        for request in requests {
            assert_eq!(outcome(&authenticator, &request.write()), Err(400));
        }
    }

    #[test]
    fn rest_credentials_of_any_secret_are_taken_until_they_expire() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        let name = format!("{}:carol", UNIX + 1);
        for secret in ["new secret", "old secret"] {
            let request = rest(UNIX + 1, secret, &nonce);
            assert_eq!(outcome(&authenticator, &request.write()), Ok(name.clone()));
            let sha256 = Signed::new(&name, &request.password, &nonce);
            assert_eq!(outcome(&authenticator, &sha256.write()), Ok(name.clone()));
        }

        assert_eq!(outcome(&authenticator, &rest(UNIX, "new secret", &nonce).write()), Err(401));
        assert_eq!(outcome(&authenticator, &rest(UNIX + 1, "mine", &nonce).write()), Err(401));
        let plain = (UNIX + 9).to_string();
        let request = Signed::old(&plain, &rest_password("old secret", &plain), &nonce);
        assert_eq!(outcome(&authenticator, &request.write()), Ok(plain));
    }

    #[test]
    fn rest_names_that_are_no_times_are_nobody() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        for name in ["", ":carol", "+1900000000:carol", "soon:carol", "99999999999999999999:carol"]
        {
            let request = Signed::old(name, &rest_password("new secret", name), &nonce);
            assert_eq!(outcome(&authenticator, &request.write()), Err(401), "{name}");
        }
    }

    #[test]
    fn quotas_count_the_user_whatever_the_expiry() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        let user = |request: &Signed| {
            let bytes = request.write();
            let request = Message::parse(&bytes).unwrap();
            Authenticator::new(&config()).authenticate(&request, source(), UNIX).unwrap().user()
        };
        let carol = user(&rest(UNIX + 1, "new secret", &nonce));

        assert_eq!(user(&rest(UNIX + 2, "old secret", &nonce)), carol);
        assert_ne!(user(&Signed::old("alice", "wonder", &nonce)), carol);
    }

    #[test]
    fn an_allocation_is_its_users_though_credentials_expire() {
        let authenticator = authenticator();
        let request = rest(UNIX + 1, "new secret", &nonce(&authenticator)).write();
        let request = Message::parse(&request).unwrap();
        let mut principal = authenticator.authenticate(&request, source(), UNIX).unwrap();

        let later = authenticator.verify(&request, &mut principal, source(), UNIX + 2);
        assert!(later.is_ok());
    }

    #[test]
    fn an_allocation_of_another_is_refused_to_those_who_are_somebody() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        let request = Signed::old("alice", "wonder", &nonce).write();
        let request = Message::parse(&request).unwrap();
        let mut principal = authenticator.authenticate(&request, source(), UNIX).unwrap();
        let mut verify = |request: Signed| {
            let bytes = request.write();
            let request = Message::parse(&bytes).unwrap();
            let verified = authenticator.verify(&request, &mut principal, source(), UNIX);
            verified.map_err(|error| code(&error))
        };

        assert_eq!(verify(Signed::old("bob", "builder", &nonce)), Err(441));
        assert_eq!(verify(Signed::old("bob", "x", &nonce)), Err(401));
        assert_eq!(verify(Signed::old("alice", "x", &nonce)), Err(401));
        assert_eq!(verify(Signed::old("alice", "wonder", b"old")), Err(438));
        assert_eq!(verify(Signed::old("alice", "wonder", &nonce)), Ok(()));
        let hashed = Signed { hashed: true, ..Signed::old("alice", "wonder", &nonce) };
        assert_eq!(verify(hashed), Ok(()));
    }

    #[test]
    fn a_client_may_turn_to_a_better_algorithm_or_a_new_password() {
        let nonce = nonce(&authenticator());
        let request = Signed::old("alice", "wonder", &nonce).write();
        let request = Message::parse(&request).unwrap();
        let mut principal = authenticator().authenticate(&request, source(), UNIX).unwrap();
        let users = vec![("alice".to_owned(), "changed".to_owned())];
        let changed = Authenticator::new(&TurnConfig { users, ..config() });
        let mut verify = |authenticator: &Authenticator, request: Signed| {
            let bytes = request.write();
            let request = Message::parse(&bytes).unwrap();
            authenticator.verify(&request, &mut principal, source(), UNIX).is_ok()
        };

        assert!(verify(&changed, Signed::old("alice", "wonder", &nonce)), "the key that is kept");
        assert!(verify(&authenticator(), Signed::new("alice", "wonder", &nonce)));
        assert!(verify(&changed, Signed::old("alice", "changed", &nonce)));
        assert!(!verify(&changed, Signed::old("alice", "wonder", &nonce)));
    }

    #[test]
    fn answers_are_signed_as_the_request_was() {
        let authenticator = authenticator();
        let nonce = nonce(&authenticator);
        for request in
            [Signed::old("alice", "wonder", &nonce), Signed::new("alice", "wonder", &nonce)]
        {
            let bytes = request.write();
            let received = Message::parse(&bytes).unwrap();
            let principal = authenticator.authenticate(&received, source(), UNIX).unwrap();
            let mut buffer = [0; 200];
            let mut writer = Writer::answer(&mut buffer, Class::Success, &received);
            principal.sign(writer.lifetime(600), Seal::of(&received));
            let len = writer.finish().unwrap();
            let answer = Message::parse(&buffer[..len]).unwrap();
            let (sha1, sha256) =
                (IntegrityKey::new(&request.key()), IntegrityKeySha256::new(&request.key()));

            assert_eq!(answer.verify_integrity(&sha1), !request.sha256);
            assert_eq!(answer.verify_integrity_sha256(&sha256), request.sha256);
            assert_eq!(answer.verify_fingerprint(), request.fingerprint);
        }
    }

    proptest! {
        #[test]
        fn a_request_with_a_changed_byte_is_nobodys(at in 20usize..160, change in 1u8..) {
            let authenticator = authenticator();
            let request = Signed::new("alice", "wonder", &nonce(&authenticator));
            let mut bytes = Signed { fingerprint: false, ..request }.write();
            let at = at.min(bytes.len() - 1);
            bytes[at] ^= change;
            if let Some(request) = Message::parse(&bytes) {
                prop_assert!(authenticator.authenticate(&request, source(), UNIX).is_err());
            }
        }
    }
}

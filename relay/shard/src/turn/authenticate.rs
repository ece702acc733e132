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

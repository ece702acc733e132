//! Answers to those who have not proved who they are: never longer than twice the request, so that
//! nobody is worth flooding by way of us.

use super::authenticate::{ALGORITHMS, AuthError, Authenticator};
use super::nonce::Form;
use relay_wire::stun::{Class, HEADER_LEN, Message, Writer};
use std::net::SocketAddr;

/// How many times a request's length an answer may have.
const AMPLIFICATION_MAX: usize = 2;

/// Bytes of an attribute without its value.
const ATTRIBUTE_LEN: usize = 4;

/// Bytes of ERROR-CODE without a reason, and of FINGERPRINT.
const SHORT_LEN: usize = 8;

impl Authenticator {
    /// Writes the refusal of an unauthenticated request, as full as it may be; returns its length,
    /// or `None` if even the shortest does not fit. A challenge that does not fit becomes a plain
    /// 400. `WrongCredentials` is not of this kind: its answer is signed.
    pub(crate) fn refuse(
        &self,
        request: &Message<'_>,
        error: &AuthError,
        source: SocketAddr,
        unix_seconds: u64,
        room: &mut [u8],
    ) -> Option<usize> {
        let limit = room.len().min(AMPLIFICATION_MAX * request.bytes().len());
        let fingerprint = request.verify_fingerprint();
        let budget = limit.saturating_sub(if fingerprint { SHORT_LEN } else { 0 });
        let (code, reason, form) = self.choose(error, budget)?;
        let id = request.transaction_id();
        let mut writer = Writer::begin(&mut room[..limit], Class::Error, request.method(), id);
        writer.error_code(code, reason);
        if let Some(form) = form {
            let nonce = self.nonces.issue(form, source, unix_seconds);
            writer.realm(self.credentials.realm()).nonce(nonce.as_bytes());
            if let Form::Long(_) = form {
                writer.password_algorithms(&ALGORITHMS);
            }
        }
        if fingerprint {
            writer.fingerprint();
        }

        writer.finish()
    }

    /// The fullest answer within a number of bytes: code, reason, and the nonce's form if it is a
    /// challenge.
    fn choose(
        &self,
        error: &AuthError,
        budget: usize,
    ) -> Option<(u16, &'static str, Option<Form>)> {
        let long = Form::Long(self.credentials.features());
        let (code, reason) = match error {
            AuthError::Unauthorized => (401, "Unauthorized"),
            AuthError::StaleNonce => (438, "Stale Nonce"),
            AuthError::BadRequest => return plain(budget),
            AuthError::WrongCredentials(_) => return None,
        };
        let forms = [
            (reason, long),
            ("", long),
            (reason, Form::Twelve),
            ("", Form::Twelve),
            ("", Form::Eight),
            ("", Form::Four),
        ];
        let fits = |(reason, form): &(&str, Form)| self.len(reason, *form) <= budget;
        let Some((reason, form)) = forms.into_iter().find(fits) else { return plain(budget) };

        Some((code, reason, Some(form)))
    }

    /// Bytes of a challenge without FINGERPRINT.
    fn len(&self, reason: &str, form: Form) -> usize {
        let algorithms = match form {
            Form::Long(_) => ATTRIBUTE_LEN + 4 * ALGORITHMS.len(),
            Form::Twelve | Form::Eight | Form::Four => 0,
        };

        plain_len(reason)
            + ATTRIBUTE_LEN
            + self.credentials.realm().len().next_multiple_of(4)
            + ATTRIBUTE_LEN
            + form.len().next_multiple_of(4)
            + algorithms
    }
}

fn plain(budget: usize) -> Option<(u16, &'static str, Option<Form>)> {
    let reason = ["Bad Request", ""].into_iter().find(|reason| plain_len(reason) <= budget)?;

    Some((400, reason, None))
}

/// Bytes of an error response with nothing but its code.
fn plain_len(reason: &str) -> usize {
    HEADER_LEN + SHORT_LEN + reason.len().next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use super::super::TurnConfig;
    use super::super::client::{UNIX, bare, config, refusal, source};
    use super::*;
    use relay_wire::stun::PasswordAlgorithm;

    /// The challenge to a bare request: code, reason, nonce, length.
    fn challenge(realm: &str, request: &[u8]) -> Option<(u16, String, Vec<u8>, usize)> {
        let config = TurnConfig { realm: realm.to_owned(), ..config() };
        let answer = refusal(&Authenticator::new(&config), request, &AuthError::Unauthorized)?;
        let message = Message::parse(&answer).unwrap();
        let error = message.error_code().unwrap();
        let nonce = message.nonce().unwrap_or_default().to_vec();
        if error.code == 401 {
            assert_eq!(message.realm(), Some(realm));
        }
        assert_eq!(message.class(), Class::Error);

        Some((error.code, error.reason.to_owned(), nonce, answer.len()))
    }

    #[test]
    fn a_long_request_is_told_everything() {
        let answer =
            refusal(&Authenticator::new(&config()), &bare(52, true), &AuthError::Unauthorized);
        let answer = answer.unwrap();
        let message = Message::parse(&answer).unwrap();
        let algorithms: Vec<_> = message.password_algorithms().unwrap().collect();

        assert_eq!(message.error_code().unwrap().reason, "Unauthorized");
        assert_eq!(message.realm(), Some("millrace"));
        assert!(message.nonce().unwrap().starts_with(b"obMatJos2AAAB"));
        assert_eq!(algorithms, [Ok(PasswordAlgorithm::SHA256), Ok(PasswordAlgorithm::MD5)]);
        assert!(message.verify_fingerprint());
    }

    #[test]
    fn names_are_hashed_only_where_every_client_can() {
        let only_users = TurnConfig { secrets: Vec::new(), ..config() };
        let answer =
            refusal(&Authenticator::new(&only_users), &bare(52, false), &AuthError::Unauthorized);
        let answer = answer.unwrap();

        let nonce = Message::parse(&answer).unwrap().nonce().unwrap();
        assert!(nonce.starts_with(b"obMatJos2AAAD"));
    }

    #[test]
    fn a_short_request_gets_the_fullest_challenge_that_fits() {
        let (code, reason, nonce, len) = challenge("millrace", &bare(28, false)).unwrap();
        assert_eq!((code, reason.as_str(), nonce.len(), len), (401, "", 12, 56));
        let (code, reason, nonce, len) = challenge("millrace", &bare(36, false)).unwrap();
        assert_eq!((code, reason.as_str(), nonce.len(), len), (401, "Unauthorized", 12, 68));
        let (code, reason, nonce, len) = challenge("millrace", &bare(44, false)).unwrap();
        assert_eq!((code, reason.as_str(), nonce.len(), len), (401, "", 25, 84));
    }

    #[test]
    fn a_browsers_first_request_is_challenged_in_realms_of_up_to_16_bytes() {
        for (realm, nonce_len) in [("a", 12), ("example.org", 8), ("turn.example.com", 4)] {
            let (code, _, nonce, len) = challenge(realm, &bare(28, false)).unwrap();

            assert_eq!((code, nonce.len()), (401, nonce_len));
            assert!(len <= 56);
            let nonces = Authenticator::new(&config()).nonces;
            assert!(matches!(
                nonces.check(&nonce, source(), UNIX),
                super::super::nonce::Check::Valid(_)
            ));
        }
    }

    #[test]
    fn what_has_no_room_for_a_challenge_is_a_bad_request() {
        let (code, reason, nonce, len) = challenge("millrace", &bare(20, false)).unwrap();

        assert_eq!((code, reason.as_str(), nonce.len(), len), (400, "Bad Request", 0, 40));
    }

    #[test]
    fn stale_nonces_are_replaced() {
        let answer =
            refusal(&Authenticator::new(&config()), &bare(100, false), &AuthError::StaleNonce);
        let answer = answer.unwrap();
        let message = Message::parse(&answer).unwrap();

        assert_eq!(message.error_code().unwrap().code, 438);
        assert!(message.nonce().is_some() && message.realm().is_some());
    }

    #[test]
    fn a_bad_request_is_told_neither_realm_nor_nonce() {
        let answer =
            refusal(&Authenticator::new(&config()), &bare(100, false), &AuthError::BadRequest);
        let answer = answer.unwrap();
        let message = Message::parse(&answer).unwrap();

        assert_eq!(message.error_code().unwrap().code, 400);
        assert!(message.nonce().is_none() && message.realm().is_none());
    }

    #[test]
    fn no_answer_is_longer_than_twice_its_request() {
        for realm in ["a", "millrace", "turn.example.com", &"long".repeat(30)] {
            for len in (20..300).step_by(4) {
                for fingerprint in [false, true] {
                    let request = bare(len, fingerprint);
                    let answer = challenge(realm, &request);
                    assert!(answer.is_some_and(|(.., len)| len <= 2 * request.len()));
                }
            }
        }
    }

    #[test]
    fn a_buffer_that_is_too_short_is_silence() {
        let request = bare(100, false);
        let request = Message::parse(&request).unwrap();
        let authenticator = Authenticator::new(&config());
        let error = AuthError::Unauthorized;

        assert_eq!(authenticator.refuse(&request, &error, source(), UNIX, &mut [0; 27]), None);
    }
}

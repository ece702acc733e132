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

//! Who asks to join: the token and the query of `/rtc`.

use super::{Refused, Server};
use crate::hub::now;
use axum::http::{HeaderMap, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use signalling_switchboard::token::{self, Claims, TokenError};
use signalling_switchboard::{Join, JoinError};
use std::collections::HashMap;

/// The query of a request.
pub(super) type Parameters = HashMap<String, String>;

/// The verified claims of a request; a token in the header wins over one in the query.
pub(super) fn claims(
    server: &Server,
    headers: &HeaderMap,
    query: &Parameters,
) -> Result<Claims, Refused> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let token = bearer.or(query.get("access_token").map(String::as_str)).unwrap_or_default();

    token::verify(token, |key| server.config.keys.get(key), now().unix_ms / 1000)
        .map_err(|error| refuse_token(&error))
}

fn refuse_token(error: &TokenError) -> Refused {
    let label = match error {
        TokenError::Missing => "token_missing",
        TokenError::Malformed => "token_malformed",
        TokenError::Algorithm => "token_algorithm",
        TokenError::UnknownKey => "token_unknown_key",
        TokenError::Signature => "token_signature",
        TokenError::Expired => "token_expired",
        TokenError::NotYetValid => "token_not_yet_valid",
    };

    Refused::new(StatusCode::UNAUTHORIZED, label, error.to_string())
}

/// Whether the holder of these claims may join now: grants, limits, and the relay is there.
pub(super) async fn admit(server: &Server, claims: &Claims) -> Result<(), Refused> {
    let unavailable = |label, reason| Refused::new(StatusCode::SERVICE_UNAVAILABLE, label, reason);
    let Some(admissible) = server.hub.admissible(claims).await else {
        return Err(unavailable("shutdown", "the server is stopping; try again"));
    };
    admissible.map_err(refuse_join)?;
    if !server.hub.relay_up() {
        return Err(unavailable("relay_away", "the media relay is not connected; try again"));
    }

    Ok(())
}

fn refuse_join(error: JoinError) -> Refused {
    let label = match error {
        JoinError::NotPermitted => "not_permitted",
        JoinError::NoIdentity => "no_identity",
        JoinError::NoRoom => "no_room",
        JoinError::TooLong => "too_long",
        JoinError::TooManyRooms => "too_many_rooms",
        JoinError::RoomFull => "room_full",
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);

    Refused::new(status, label, error.to_string())
}

/// The join that a query asks for; what cannot be read counts as absent. Browsers name
/// themselves in their headers only.
pub(super) fn join(claims: Claims, query: &Parameters, headers: &HeaderMap) -> Join {
    let text = |key: &str| query.get(key).cloned().unwrap_or_default();
    let flag = |key: &str| query.get(key).map(|value| matches!(value.as_str(), "1" | "true"));
    let mut join = Join::new(claims);
    join.reconnect = flag("reconnect").unwrap_or(false);
    join.sid = query.get("sid").filter(|sid| !sid.is_empty()).cloned();
    join.auto_subscribe = flag("auto_subscribe").unwrap_or(join.auto_subscribe);
    join.adaptive_stream = flag("adaptive_stream").unwrap_or(join.adaptive_stream);
    join.protocol = text("protocol").parse().unwrap_or(join.protocol);
    join.client_protocol = text("client_protocol").parse().unwrap_or(join.client_protocol);
    join.sdk = text("sdk");
    join.version = text("version");
    join.browser = match text("browser") {
        named if !named.is_empty() => named,
        _ => browser(headers).into(),
    };
    join.attributes = query
        .get("attributes")
        .and_then(|text| URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok())
        .and_then(|json| serde_json::from_slice(&json).ok())
        .unwrap_or_default();

    join
}

/// The browser that must be known: `firefox`, or nothing.
fn browser(headers: &HeaderMap) -> &'static str {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    if agent.is_some_and(|agent| agent.contains("Firefox/")) { "firefox" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn query(text: &str) -> Join {
        query_of(text, "")
    }

    fn query_of(text: &str, agent: &'static str) -> Join {
        let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let agent = (header::USER_AGENT, HeaderValue::from_static(agent));
        join(Claims::default(), &pairs, &[agent].into_iter().collect())
    }

    #[test]
    fn firefox_is_known_by_its_user_agent() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0";
        assert_eq!(query_of("sdk=js", firefox).browser, "firefox");
        assert_eq!(query_of("browser=Chrome", firefox).browser, "Chrome");
        assert_eq!(query_of("sdk=js", "Mozilla/5.0 Chrome/156.0.0.0").browser, "");
    }

    #[test]
    fn an_absent_query_means_the_defaults() {
        let join = query("");
        assert!(join.auto_subscribe && !join.reconnect && join.sid.is_none());
    }

    #[test]
    fn a_resume_names_its_participant() {
        let join = query("reconnect=1&sid=PA_x&reconnect_reason=1&auto_subscribe=0");
        assert!(join.reconnect && !join.auto_subscribe);
        assert_eq!(join.sid.as_deref(), Some("PA_x"));
    }

    #[test]
    fn attributes_are_json_in_base64() {
        let join = query("attributes=eyJhIjoiYiJ9&protocol=17&sdk=js");
        assert_eq!(join.attributes.get("a").map(String::as_str), Some("b"));
        assert_eq!((join.protocol, join.sdk.as_str()), (17, "js"));
    }

    #[test]
    fn nonsense_counts_as_absent() {
        let join = query("protocol=x&attributes=%%%&auto_subscribe=maybe");
        assert!(join.attributes.is_empty() && join.protocol == 0);
    }
}

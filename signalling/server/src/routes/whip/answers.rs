//! Answers to WHIP and WHEP requests.

use super::{Refused, SDP};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use signalling_switchboard::{IceServer, SessionReply, SessionRole};
use std::fmt::Write as _;

/// Seconds after which a client that was too fast, or came when all was full, may come again.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// 201 with the answer, and where the session is.
pub(super) fn created(
    role: SessionRole,
    room: &str,
    resource: &str,
    etag: &str,
    sdp: String,
    ice_servers: &[IceServer],
) -> Result<Response, Refused> {
    let root = match role {
        SessionRole::Publish => "whip",
        SessionRole::Play => "whep",
    };
    let location = format!("/{root}/{}/{resource}", escaped(room));
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SDP));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, text) in [(header::LOCATION, location), (header::ETAG, format!("\"{etag}\""))] {
        headers.insert(name, value(&text)?);
    }
    for link in ice_servers.iter().flat_map(links) {
        headers.append(header::LINK, value(&link)?);
    }

    Ok((StatusCode::CREATED, headers, sdp).into_response())
}

/// The refusal that a reply is.
pub(super) fn refused(reply: &SessionReply) -> Refused {
    let SessionReply::Refused(error) = reply else {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        return Refused::new(status, "reply", "the switchboard answered another question");
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);

    Refused::new(status, "session", error.to_string())
}

/// A refusal as an answer, with the headers that its status asks for.
pub(super) fn refuse(refused: Refused) -> Response {
    let status = refused.status;
    tracing::info!(%status, reason = refused.reason, "WHIP or WHEP request refused");
    let mut response = refused.into_response();
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        // RFC 6750, section 3.
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        headers.insert(header::RETRY_AFTER, RETRY_AFTER);
    }

    response
}

/// One link for each URL of a server (RFC 9725, section 4.6).
fn links(server: &IceServer) -> Vec<String> {
    let credentials = match server.username.as_str() {
        "" => String::new(),
        user => format!(
            "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
            quoted(user),
            quoted(&server.credential)
        ),
    };
    let link = |url: &String| format!("<{url}>; rel=\"ice-server\"{credentials}");

    server.urls.iter().map(link).collect()
}

/// Text for a quoted string (RFC 9110, section 5.6.4).
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

/// Text as one segment of a path (RFC 3986, section 2.1).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }

    escaped
}

fn value(text: &str) -> Result<HeaderValue, Refused> {
    HeaderValue::from_str(text).map_err(|_| {
        let reason = "an ICE server of the configuration cannot be written into a header";
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "header", reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_of_any_name_become_one_segment() {
        assert_eq!(escaped("room 1/ä%"), "room%201%2F%C3%A4%25");
    }

    #[test]
    fn each_url_of_a_server_is_a_link_with_its_credentials() {
        let server = IceServer {
            urls: vec!["turn:a?transport=udp".into(), "turns:a".into()],
            username: "1:\"b\"".into(),
            credential: "c=".into(),
        };
        let credentials =
            r#"rel="ice-server"; username="1:\"b\""; credential="c="; credential-type="password""#;
        let expected = ["turn:a?transport=udp", "turns:a"].map(|u| format!("<{u}>; {credentials}"));
        assert_eq!(links(&server), expected);

        let stun = IceServer { urls: vec!["stun:a".into()], username: String::new(), ..server };
        assert_eq!(links(&stun), ["<stun:a>; rel=\"ice-server\""]);
    }
}

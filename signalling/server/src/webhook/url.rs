//! Where webhooks go.

use axum::http::Uri;
use axum::http::uri::Scheme;
use std::str::FromStr;

/// An `http://` or `https://` URL with a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookUrl {
    pub(super) uri: Uri,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) secure: bool,
}

impl FromStr for WebhookUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const PROBLEM: &str = "is not a URL as https://example.org/webhook";
        let uri: Uri = text.parse().map_err(|_| PROBLEM)?;
        let secure = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(PROBLEM),
        };
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("has a user name: requests are signed with an API key instead");
        }
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(PROBLEM);
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });

        Ok(Self { uri, host, port, secure })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url: WebhookUrl = "https://example.org/hook?a=b".parse().unwrap();
        assert!(url.secure && url.host == "example.org" && url.port == 443);
        let url: WebhookUrl = "http://[::1]:8080/".parse().unwrap();
        assert!(!url.secure && url.host == "::1" && url.port == 8080);
        for bad in ["", "example.org", "ftp://example.org/", "/hook", "http://me:pw@host/"] {
            assert!(bad.parse::<WebhookUrl>().is_err(), "{bad}");
        }
    }
}

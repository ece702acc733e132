//! One HTTP request at a time (RFC 9112), as WHIP's clients make: a description there, one back.

use anyhow::{Context, Result, bail};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer at most.
const ANSWER_MAX: u64 = 1 << 20;

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// The status code.
    pub(super) status: u16,
    /// `Location`.
    pub(super) location: Option<String>,
    /// The body, as text.
    pub(super) body: String,
}

/// Sends a description, or nothing, to `http://HOST:PORT/PATH`.
pub(super) async fn request(method: &str, url: &str, token: &str, body: &str) -> Result<Response> {
    let rest = url.strip_prefix("http://").with_context(|| format!("`{url}` is not http://"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\
         {kind}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let exchange = async {
        let mut stream = TcpStream::connect(authority).await.with_context(|| {
            format!(
                "no server at {authority}: start one with `make run`, or leave --url out and \
                 millrace-bench starts its own"
            )
        })?;
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
        Ok::<_, anyhow::Error>(answer)
    };
    let Ok(answer) = timeout(TIMEOUT, exchange).await else {
        bail!("{url} did not answer within {} s", TIMEOUT.as_secs());
    };

    parse(&answer?).with_context(|| format!("{url} does not speak HTTP"))
}

/// A session's address: absolute, or a path on the same server.
pub(super) fn resolve(url: &str, location: &str) -> String {
    if location.starts_with("http://") {
        return location.to_owned();
    }
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);

    format!("{}{location}", &url[..end])
}

fn parse(answer: &[u8]) -> Option<Response> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let (mut location, mut chunked) = (None, false);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        match name.to_ascii_lowercase().as_str() {
            "location" => location = Some(value.trim().to_owned()),
            "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
            _ => {}
        }
    }
    let body = if chunked { join_chunks(body)? } else { body.to_owned() };

    Some(Response { status, location, body })
}

/// The chunked coding (RFC 9112, section 7.1).
fn join_chunks(mut rest: &str) -> Option<String> {
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n")?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.push_str(after.get(..size)?);
        rest = after.get(size..)?.strip_prefix("\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_are_read_whole_or_in_chunks() {
        let plain = b"HTTP/1.1 201 Created\r\nlocation: /s/1\r\n\r\nv=0\r\n";
        let chunked =
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\nLocation: /s/1\r\n\r\n\
                        3\r\nv=0\r\n2;x\r\n\r\n\r\n0\r\n\r\n";
        let location = Some("/s/1".to_owned());
        let expected = Response { status: 201, location, body: "v=0\r\n".to_owned() };

        assert_eq!(parse(plain).as_ref(), Some(&expected));
        assert_eq!(parse(chunked), Some(expected));
        assert_eq!(parse(b"SSH-2.0\r\n\r\n"), None);
    }

    #[test]
    fn sessions_are_found_on_the_same_server_or_where_they_are() {
        assert_eq!(resolve("http://h:1/whip/r", "/s/1"), "http://h:1/s/1");
        assert_eq!(resolve("http://h:1/whip/r", "http://g/s"), "http://g/s");
    }

    proptest! {
        #[test]
        fn any_answer_is_read_or_refused(tail in ".{0,200}") {
            let head = "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = parse(format!("{head}{tail}").as_bytes());
            let _ = parse(tail.as_bytes());
        }
    }
}

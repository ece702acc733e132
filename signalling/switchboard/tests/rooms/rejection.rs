//! A client that wants nothing.

/// An answer that takes no m-line, and so says nothing of a transport (RFC 3264, section 6).
pub(crate) fn rejection_of(offer: &str) -> String {
    let section = |section: &str| {
        let mid = section.lines().find(|line| line.starts_with("a=mid:")).unwrap_or_default();
        let mut words = section.lines().next().unwrap_or_default().split(' ');
        let (media, _port) = (words.next().unwrap_or_default(), words.next());
        let rest: Vec<&str> = words.collect();
        format!("m={media} 0 {}\r\nc=IN IP4 0.0.0.0\r\n{mid}\r\n", rest.join(" "))
    };
    let sections: String = offer.split("\r\nm=").skip(1).map(section).collect();

    format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{sections}")
}

//! Bodies of several parts: `multipart/related` of uploads and `multipart/mixed` of batches.

/// Headers by their names in lower case.
pub(super) type Headers = Vec<(String, String)>;

/// A part: its headers, lower case, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    headers: Headers,
    pub(super) body: &'a [u8],
}

impl Part<'_> {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The boundary out of a `Content-Type`.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (_, rest) = content_type.split_once("boundary=")?;
    let value = rest.split(';').next()?.trim().trim_matches('"');
    (!value.is_empty()).then_some(value)
}

/// The parts of a body. `None`: it does not begin or end as it must.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let mark = format!("--{boundary}");
    let start = find(body, mark.as_bytes())?;
    let mut rest = &body[start + mark.len()..];
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        rest = rest.strip_prefix(b"\r\n")?;
        let end = find(rest, format!("\r\n{mark}").as_bytes())?;
        let (headers, body) = split(&rest[..end])?;
        parts.push(Part { headers, body });
        rest = &rest[end + 2 + mark.len()..];
    }
}

/// Headers and body of a part, or of the message in it.
pub(super) fn split(part: &[u8]) -> Option<(Headers, &[u8])> {
    let (head, body) = if let Some(body) = part.strip_prefix(b"\r\n") {
        (&part[..0], body)
    } else {
        let end = find(part, b"\r\n\r\n")?;
        (&part[..end], &part[end + 4..])
    };
    let headers = std::str::from_utf8(head)
        .ok()?
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some((headers, body))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_parts_come_out_as_they_went_in() {
        let body = b"--__END__\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{}\r\n--__END__\r\ncontent-type: a/b\r\n\r\n\x00\r\n-\xff\r\n--__END__--\r\n";
        let parts = parts(body, "__END__").expect("well-formed");
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].header("content-type"), Some("application/json; charset=UTF-8"));
        assert_eq!(parts[1].body, b"\x00\r\n-\xff");
    }

    #[test]
    fn what_is_cut_off_is_no_body() {
        assert!(parts(b"--x\r\nA: b\r\n\r\n{}", "x").is_none());
        assert!(parts(b"nothing", "x").is_none());
        assert_eq!(parts(b"--x--", "x"), Some(vec![]));
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary("multipart/mixed; boundary=__END_OF_PART__1__"), Some("__END_OF_PART__1__"));
        assert_eq!(boundary("multipart/related; boundary=\"a b\"; x=y"), Some("a b"));
        assert_eq!(boundary("application/json"), None);
    }
}

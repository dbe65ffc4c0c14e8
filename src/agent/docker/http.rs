//! HTTP/1.1 as far as the engine's socket needs it: one request per
//! connection; answers with a length, in chunks, or up to the end.

use std::io::{self, BufRead, Read};

/// The head of an answer is never longer than this.
const MOST_HEAD: u64 = 64 << 10;
/// No description of anything is longer than this.
const MOST_BODY: u64 = 64 << 20;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

enum Length {
    Fixed(u64),
    Chunked,
    UntilEnd,
}

/// The text of a request without a body.
pub(super) fn get(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: ocplay\r\nAccept: application/json\r\n\
         Connection: close\r\n\r\n"
    )
}

/// The text of a request that changes something.
pub(super) fn request(method: &str, path: &str, body: Option<&serde_json::Value>) -> String {
    let body = body.map(ToString::to_string).unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nUser-Agent: ocplay\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// One line without its end.
fn line(reader: &mut impl BufRead, left: &mut u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    let read = reader.by_ref().take(*left).read_until(b'\n', &mut bytes)?;
    *left -= read as u64;
    if bytes.pop() != Some(b'\n') {
        return Err(if *left == 0 {
            malformed("the answer has a head without an end")
        } else {
            io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the answer ends in its middle",
            )
        });
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes).map_err(|_| malformed("the head of the answer is no text"))
}

/// Reads one answer.
pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Response> {
    let mut left = MOST_HEAD;
    let status = status(&line(reader, &mut left)?)?;
    let mut length = Length::UntilEnd;
    loop {
        let header = line(reader, &mut left)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else {
            return Err(malformed("a header of the answer has no colon"));
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("content-length") && !matches!(length, Length::Chunked)
        {
            let bytes = value
                .parse()
                .map_err(|_| malformed("the answer's length is no number"))?;
            length = Length::Fixed(bytes);
        }
    }
    let body = match length {
        _ if status == 204 || status == 304 => Vec::new(),
        Length::Fixed(bytes) => exactly(reader, bytes, 0)?,
        Length::Chunked => chunks(reader)?,
        Length::UntilEnd => {
            let mut body = Vec::new();
            reader.take(MOST_BODY + 1).read_to_end(&mut body)?;
            if body.len() as u64 > MOST_BODY {
                return Err(malformed("the answer is too long"));
            }
            body
        }
    };
    Ok(Response { status, body })
}

fn status(line: &str) -> io::Result<u16> {
    line.strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.parse().ok())
        .ok_or_else(|| malformed("the answer is no HTTP; is this the engine's socket?"))
}

/// So many bytes. Memory grows with what really comes, not with what was said.
fn exactly(reader: &mut impl BufRead, bytes: u64, before: u64) -> io::Result<Vec<u8>> {
    if bytes > MOST_BODY || bytes + before > MOST_BODY {
        return Err(malformed("the answer is too long"));
    }
    let mut body = Vec::new();
    reader.by_ref().take(bytes).read_to_end(&mut body)?;
    if (body.len() as u64) < bytes {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the answer ends in its middle",
        ));
    }
    Ok(body)
}

fn chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut left = MOST_HEAD;
        let head = line(reader, &mut left)?;
        let size = head.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16)
            .map_err(|_| malformed("a chunk of the answer has no size"))?;
        if size == 0 {
            while !line(reader, &mut left)?.is_empty() {}
            return Ok(body);
        }
        let piece = exactly(reader, size, body.len() as u64)?;
        body.extend(piece);
        if !line(reader, &mut left)?.is_empty() {
            return Err(malformed("a chunk of the answer is longer than it said"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> io::Result<Response> {
        read(&mut text.as_bytes())
    }

    #[test]
    fn bodies_of_all_kinds() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n",
            "HTTP/1.0 200 OK\n\nhello",
        ] {
            let response = parse(text).unwrap();
            assert_eq!((response.status, &response.body[..]), (200, &b"hello"[..]));
        }
        let none = parse("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!((none.status, none.body.len()), (204, 0));
    }

    #[test]
    fn truncated_answers_are_no_answers() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Le",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ] {
            let kind = parse(text).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof, "{text:?}");
        }
    }

    #[test]
    fn hostile_sizes_and_nonsense() {
        let long = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(70_000));
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "HTTP/1.1 two OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            &long,
        ] {
            let kind = parse(text).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::InvalidData, "{text:?}");
        }
    }
}
